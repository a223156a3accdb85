package catalogue

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// SeededProduct is what others need to know of a product of the demonstration.
type SeededProduct struct {
	ID, SKU, Name string
	PriceMinor    map[string]int64
	WeightGrams   int
}

// line is a kind of product of the demonstration: it comes in several makes.
type line struct {
	category, noun, text string
	cents, grams         int
}

// lines are five to a category.
func lines() []line {
	return []line{
		{"kitchen", "Chef's Knife", "Forged from one piece of steel, with a full tang and a handle that stays dry in wet hands. Holds its edge through a season of cooking.", 6900, 310},
		{"kitchen", "Cast Iron Pan", "Pre-seasoned with linseed oil, heavy enough to sear and even enough to bake. Goes from the hob to the oven to the table.", 5400, 2600},
		{"kitchen", "Mixing Bowl", "A deep bowl with a rim that pours and a base that grips. Nests with its sisters and takes the dishwasher.", 2400, 720},
		{"kitchen", "Cutting Board", "End grain that is kind to knives, oiled by hand, with a groove that keeps the juice where it belongs.", 3900, 1900},
		{"kitchen", "Pepper Mill", "A ceramic grinder that never dulls, from powder to cracked, set with a turn at the top.", 3200, 420},
		{"coffee-tea", "Pour-Over Dripper", "Spiral ribs and one wide outlet for a clear, bright cup. Fits standard paper filters.", 2600, 380},
		{"coffee-tea", "Gooseneck Kettle", "A slow, steady stream exactly where you want it, and a thermometer in the lid.", 7900, 1100},
		{"coffee-tea", "Hand Grinder", "Steel burrs and forty settings, quiet enough for early mornings and small enough for a rucksack.", 8900, 640},
		{"coffee-tea", "Teapot", "Glazed inside and out, with a strainer fine enough for rooibos and a spout that does not drip.", 4500, 900},
		{"coffee-tea", "Espresso Cup", "Thick walls that keep the heat, a curve that keeps the crema. Sold in pairs.", 1900, 340},
		{"lighting", "Desk Lamp", "A warm pool of light that follows the work: two joints, one hand, no tools. Dims to a candle.", 8900, 1700},
		{"lighting", "Pendant Lamp", "A shade of spun metal that throws light down and a soft glow up. Two metres of woven cable.", 12900, 2100},
		{"lighting", "Reading Light", "Clips to a shelf or a headboard and lights the page, not the room. Charges by cable.", 3400, 260},
		{"lighting", "Floor Lamp", "A slender stem and a linen shade for the corner that was always too dark.", 15900, 5200},
		{"lighting", "Lantern", "Weatherproof, wind-proof, and bright for forty hours on one charge.", 4900, 780},
		{"furniture", "Side Table", "Three legs, one round top, no wobble. Carries a lamp, a book and a cup, and little else.", 13900, 4800},
		{"furniture", "Bookshelf", "Five boards and two ladders that lock without screws. Leans on nothing.", 24900, 18500},
		{"furniture", "Stool", "A seat that is comfortable for a meal and stacks when the guests have gone.", 8900, 3400},
		{"furniture", "Coat Rack", "Six pegs on a tree of turned wood, heavy at the foot.", 9900, 6100},
		{"furniture", "Writing Desk", "Room for a screen and an elbow, a drawer for what should not be seen, a gap for cables.", 32900, 24500},
		{"textiles", "Wool Blanket", "Woven from new wool that was never dyed, brushed on both sides, warm without weight.", 11900, 1400},
		{"textiles", "Linen Towel", "Dries fast, dries well, and gets softer with every wash.", 2200, 310},
		{"textiles", "Cushion", "Filled with feathers and covered in a weave that hides what life spills on it.", 3900, 680},
		{"textiles", "Bed Linen Set", "Percale with a cool, dry hand. One cover, two cases, buttons of shell.", 9900, 1600},
		{"textiles", "Apron", "Waxed canvas with a towel loop and pockets deep enough for a phone.", 4400, 450},
		{"stationery", "Notebook", "A hundred and ninety-two pages that take ink without bleeding, thread-bound to lie flat.", 1600, 330},
		{"stationery", "Fountain Pen", "A steel nib that starts at once and a barrel that fits the hand. Takes cartridges or a converter.", 4900, 90},
		{"stationery", "Pencil Set", "Twelve grades from hard to soft in a tin that closes with a click.", 2100, 210},
		{"stationery", "Letter Opener", "Balanced like a small sword and just as pleasant to hold.", 2900, 140},
		{"stationery", "Desk Organiser", "Compartments for pens, clips, cards and the one key nobody can place.", 3600, 950},
		{"garden", "Watering Can", "Nine litres, a long reach and a brass rose that rains rather than pours.", 4200, 1500},
		{"garden", "Pruning Shears", "A clean cut through green wood, a spring that does not tire the hand, blades that can be replaced.", 3800, 270},
		{"garden", "Planter", "Frost-proof clay with a saucer, at home on a balcony or a sill.", 2900, 3600},
		{"garden", "Garden Trowel", "One piece of steel, a scale for depth, an ash handle that is warm on cold mornings.", 1900, 340},
		{"garden", "Herb Kit", "Seeds for basil, thyme, chives and coriander, soil and a tray. Needs a window and patience.", 1700, 820},
		{"travel", "Weekender Bag", "Canvas and leather, forty litres, a pocket for shoes and one for what must be found at once.", 14900, 1500},
		{"travel", "Water Bottle", "Keeps cold for a day and hot for a night; the lid opens with a thumb.", 2900, 380},
		{"travel", "Packing Cubes", "Four light cases that tame a suitcase, one of them for what needs washing.", 3300, 290},
		{"travel", "Umbrella", "Survives the gust that turned the last one inside out. Opens and closes by one button.", 4600, 430},
		{"travel", "Passport Wallet", "Room for papers, cards and a boarding pass, lined so that nobody reads it in passing.", 3500, 120},
	}
}

// edition is a make that each line comes in.
type edition struct {
	brand, style, note string
	percent            int
}

func makes() []edition {
	return []edition{
		{"Nordlys", "Birch", "In pale birch tones.", 100},
		{"Halden", "Slate", "In slate grey.", 112},
		{"Atelier Roux", "Terracotta", "In warm terracotta.", 128},
		{"Kestrel & Co", "Forest", "In forest green.", 94},
		{"Morgenrot", "Graphite", "In matt graphite.", 136},
		{"Linde", "Natural", "In natural materials.", 88},
	}
}

// Seed fills an empty catalogue with 240 products in 8 categories. What is there stays as it is.
func Seed(ctx context.Context, db *mongo.Database) ([]SeededProduct, error) {
	st, err := newStore(ctx, db)
	if err != nil {
		return nil, err
	}
	all := demonstration()
	n, err := st.products.CountDocuments(ctx, bson.D{{Key: "_id", Value: all[len(all)-1].ID}})
	if err != nil {
		return nil, fmt.Errorf("count products: %w", err)
	}
	if n == 0 {
		docs := make([]any, len(all))
		for i, p := range all {
			docs[i] = p
		}
		_, err := st.products.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return nil, fmt.Errorf("add products: %w", err)
		}
	}
	out := make([]SeededProduct, len(all))
	for i, p := range all {
		out[i] = SeededProduct{ID: p.ID, SKU: p.SKU, Name: p.Name, PriceMinor: p.Prices, WeightGrams: p.WeightGrams}
	}
	return out, nil
}

// demonstration gives the products, the same each time.
func demonstration() []*product {
	start := time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	var out []*product
	for i, l := range lines() {
		c, _ := categoryOf(l.category)
		for j, m := range makes() {
			n := i*len(makes()) + j
			h := fnv.New32a()
			_, _ = h.Write([]byte(l.noun + m.brand))
			// A little noise, and a price that ends as shop prices do.
			eur := int64(l.cents*m.percent/100+int(h.Sum32()%500))/100*100 + 90
			gbp := eur*86/100/100*100 + 50
			out = append(out, &product{
				ID: fmt.Sprintf("prd_%032x", n+1), SKU: fmt.Sprintf("%s-%s-%03d", letters(l.category), letters(m.brand), n+1),
				Name: m.style + " " + l.noun, Description: l.text + " " + m.note + " Made by " + m.brand + ".", Brand: m.brand,
				Category: c.slug, Label: c.name, Prices: map[string]int64{"EUR": eur, "GBP": gbp}, WeightGrams: l.grams * (95 + j*2) / 100,
				InStock: true, CreatedAt: start.Add(time.Duration(n) * 7 * time.Hour), UpdatedAt: start.Add(time.Duration(n) * 7 * time.Hour), Version: 1, Schema: 1,
			})
		}
	}
	return out
}

func letters(s string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "&", "").Replace(s))[:3]
}
