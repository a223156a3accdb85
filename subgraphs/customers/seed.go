package customers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
)

// SeededCustomer is one of the customers of a demonstration.
type SeededCustomer struct {
	ID, Name, Email                             string
	Line1, City, PostalCode, CountryCode, Phone string
}

// seedCount is how many customers a demonstration has.
const seedCount = 50

// place is a town with its postal codes, streets and way of writing phone numbers.
type place struct {
	country, city, postal, phone string
	streets                      []string
}

var places = []place{
	{"DE", "Berlin", "10%03d", "+49 30 9018%04d", []string{"Lindenweg", "Kastanienallee", "Am Friedrichshain", "Oderberger Straße", "Gleimstraße"}},
	{"DE", "Hamburg", "20%03d", "+49 40 3008%04d", []string{"Elbchaussee", "Rothenbaumchaussee", "Eppendorfer Weg", "Osterstraße"}},
	{"GB", "Bristol", "BS%d 4QJ", "+44 117 496 %04d", []string{"Gloucester Road", "Cotham Hill", "North Street", "Picton Lane"}},
	{"FR", "Lyon", "690%02d", "+33 4 7200 %04d", []string{"Rue de la Charité", "Quai Rambaud", "Rue des Capucins"}},
	{"NL", "Utrecht", "35%02d KL", "+31 30 286 %04d", []string{"Oudegracht", "Biltstraat", "Twijnstraat"}},
	{"AT", "Wien", "1%03d", "+43 1 5811 %04d", []string{"Mariahilfer Straße", "Neubaugasse", "Praterstraße"}},
	{"ES", "Valencia", "460%02d", "+34 96 352 %04d", []string{"Carrer de Sueca", "Carrer de Cuba", "Avinguda del Port"}},
}

var (
	firstNames = []string{
		"Anna", "Jonas", "Maja", "Oliver", "Claire", "Sem", "Leonie", "Marta", "Paul", "Grace", "Émile", "Femke", "Tobias", "Inés", "Helen", "Lukas", "Amélie", "Daan",
		"Katharina", "Hugo", "Nadia", "Theo", "Sofia", "William", "Greta",
	}
	lastNames = []string{
		"Vogt", "Hartmann", "Ellis", "Lindqvist", "Moreau", "de Vries", "Brandt", "Ferrer", "Okafor", "Whitfield", "Lefèvre", "Bakker", "Steiner", "Navarro", "Marsh",
		"Krüger", "Fournier", "Jansen", "Winkler", "Castell", "Haddad", "Novak", "Serra", "Pemberton", "Aydın", "Richter", "Sommer",
	}
	plain = strings.NewReplacer("é", "e", "É", "e", "è", "e", "ü", "ue", "ı", "i", " ", "")
)

// seeded gives the customer with a number, always the same.
func seeded(n int) *Customer {
	first, last := firstNames[n%len(firstNames)], lastNames[(n*7+n/len(firstNames))%len(lastNames)]
	p := places[(n*3)%len(places)]
	at := time.Date(2024, time.February, 3, 8, 15, 0, 0, time.UTC).Add(time.Duration(n) * 317 * time.Hour)
	full := first + " " + last
	phone := fmt.Sprintf(p.phone, 1000+n*37)
	c := &Customer{
		ID: fmt.Sprintf("cus_demo%06d", n+1), SchemaVersion: schemaVersion, Phone: phone, Status: statusActive, Version: 1, CreatedAt: at, UpdatedAt: at,
		Addresses: []Address{{
			ID: fmt.Sprintf("adr_demo%06d", n+1), Label: "Home", Name: full, Line1: line(p, p.streets[n%len(p.streets)], 3+n*5%90), City: p.city,
			PostalCode: fmt.Sprintf(p.postal, 10+n), CountryCode: p.country, Phone: phone,
		}},
	}
	c.setName(full)
	c.setEmail(plain.Replace(strings.ToLower(first)) + "." + plain.Replace(strings.ToLower(last)) + "@example.com")
	if n%3 == 0 {
		c.Consent = Consent{true, at}
	}
	if n%5 == 0 {
		other := c.Addresses[0]
		other.ID, other.Label, other.Line1 = fmt.Sprintf("adr_demo%06d", seedCount+n+1), "Office", line(p, p.streets[(n+1)%len(p.streets)], 11+n)
		c.Addresses = append(c.Addresses, other)
	}
	return c
}

// line writes a street and a number as the country does.
func line(p place, street string, number int) string {
	if p.country == "GB" || p.country == "FR" {
		return fmt.Sprintf("%d %s", number, street)
	}
	return fmt.Sprintf("%s %d", street, number)
}

// Seed fills an empty database with customers, and gives those of them that are there. A database that holds customers of
// its own, or erasures, stays as it is: what was erased does not come back. Repeated, it completes what was cut off.
func Seed(ctx context.Context, db *mongo.Database) ([]SeededCustomer, error) {
	if err := mongodb.EnsureIndexes(ctx, db, indexes()); err != nil {
		return nil, err
	}
	s := newStore(db)
	ids := make([]string, seedCount)
	all := make([]*Customer, seedCount)
	for n := range seedCount {
		all[n] = seeded(n)
		ids[n] = all[n].ID
	}
	there, err := s.many(ctx, ids)
	if err != nil {
		return nil, err
	}
	own, err := s.inUse(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]SeededCustomer, 0, seedCount)
	for _, c := range all {
		if there[c.ID] == nil && own {
			continue
		}
		if there[c.ID] == nil {
			if err := s.insert(ctx, c); err != nil {
				return nil, err
			}
			there[c.ID] = c
		}
		c = there[c.ID]
		a := Address{}
		if len(c.Addresses) > 0 {
			a = c.Addresses[0]
		}
		out = append(out, SeededCustomer{c.ID, c.Name, c.Email, a.Line1, a.City, a.PostalCode, a.CountryCode, c.Phone})
	}
	return out, nil
}

// inUse reports whether there are customers beside those with ids, or erasures.
func (s *store) inUse(ctx context.Context, ids []string) (bool, error) {
	for c, filter := range map[*mongo.Collection]bson.D{
		s.customers: {{Key: "_id", Value: bson.D{{Key: "$nin", Value: ids}}}}, s.erasures: {},
	} {
		n, err := c.CountDocuments(ctx, filter, options.Count().SetLimit(1))
		if err != nil {
			return false, fmt.Errorf("count %s: %w", c.Name(), err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}
