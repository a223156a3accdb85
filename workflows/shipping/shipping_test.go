package shipping_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/workflows/shipping"
)

func key() []byte { return []byte("a key of thirty-two bytes or so.") }

func database(t testing.TB) *driver.Database {
	t.Helper()
	server, err := mongo.Start(t.Context(), mongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := mongodb.Connect(t.Context(), server.URI(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("sandbox")
}

func serve(t testing.TB, db *driver.Database) (*shipping.Client, string) {
	t.Helper()
	sandbox, err := shipping.NewSandbox(t.Context(), shipping.SandboxOptions{DB: db, Log: slog.New(slog.DiscardHandler), Key: key(), Pace: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(sandbox)
	t.Cleanup(s.Close)
	c, err := shipping.New(shipping.Options{BaseURL: s.URL, Key: key()})
	if err != nil {
		t.Fatal(err)
	}
	return c, s.URL
}

func parcel(id, postalCode string) shipping.Parcel {
	return shipping.Parcel{ID: id, OrderID: "ord_1", Warehouse: "BER", Address: shipping.Address{
		Name: "Jane Roe", Line1: "Marienplatz 1", City: "München", PostalCode: postalCode, CountryCode: "DE", Phone: "+49 89 1234",
	}}
}

// follow reads the feed until the last event is a status.
func follow(t *testing.T, c *shipping.Client, after int64, last string) []string {
	t.Helper()
	var statuses []string
	for {
		events, err := c.Events(t.Context(), after, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			t.Fatalf("the courier fell silent after %v", statuses)
		}
		for _, e := range events {
			if e.Sequence != after+1 {
				t.Fatalf("event %d follows %d", e.Sequence, after)
			}
			after = e.Sequence
			statuses = append(statuses, e.Status)
			if e.Status == last {
				return statuses
			}
		}
	}
}

func TestParcel(t *testing.T) {
	t.Parallel()
	for postalCode, end := range map[string]string{"80331": shipping.StatusDelivered, shipping.PostalCodeUndeliverable: shipping.StatusUndeliverable} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			db := database(t)
			c, _ := serve(t, db)
			made, err := c.Create(t.Context(), parcel("shp_1", postalCode))
			if err != nil || made.Status != shipping.StatusPreparing || made.TrackingNumber == "" {
				t.Fatalf("made %+v, %v", made, err)
			}
			if again, err := c.Create(t.Context(), parcel("shp_1", postalCode)); err != nil || again.TrackingNumber != made.TrackingNumber {
				t.Errorf("the same parcel made %+v, %v", again, err)
			}
			want := []string{shipping.StatusInTransit, shipping.StatusOutForDelivery, end}
			if got := follow(t, c, 0, end); !slices.Equal(got, want) {
				t.Errorf("the parcel went %v, want %v", got, want)
			}
			if found, err := c.Status(t.Context(), "shp_1"); err != nil || found.Status != end {
				t.Errorf("the parcel is %+v, %v", found, err)
			}
			if err := c.Cancel(t.Context(), "shp_1"); !errors.Is(err, shipping.ErrTooLate) {
				t.Errorf("cancelling was answered %v", err)
			}
			keepsNoAddress(t, db)
		})
	}
}

func keepsNoAddress(t *testing.T, db *driver.Database) {
	t.Helper()
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cursor, err := db.Collection(name).Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		for cursor.Next(t.Context()) {
			for _, secret := range []string{"Roe", "Marienplatz", "nchen", "1234"} {
				if strings.Contains(string(cursor.Current), secret) {
					t.Errorf("%s keeps %q", name, secret)
				}
			}
		}
	}
}

func TestHoldAndExpedite(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, database(t))
	held := parcel("shp_1", "80331")
	held.HoldAt = shipping.StatusInTransit
	if _, err := c.Create(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), parcel("shp_2", shipping.PostalCodeHold)); err != nil {
		t.Fatal(err)
	}
	follow(t, c, 0, shipping.StatusInTransit)
	if events, err := c.Events(t.Context(), 1, time.Second); err != nil || len(events) > 0 {
		t.Errorf("parcels that are held moved: %v, %v", events, err)
	}
	for _, id := range []string{"shp_1", "shp_2"} {
		if err := c.Expedite(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if got := follow(t, c, 1, shipping.StatusDelivered); len(got) < 2 {
		t.Errorf("expedited, they went %v", got)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, database(t))
	if err := c.Cancel(t.Context(), "shp_unheard"); err != nil {
		t.Errorf("cancelling what the courier never heard of was answered %v", err)
	}
	if _, err := c.Create(t.Context(), parcel("shp_unheard", "80331")); !errors.Is(err, shipping.ErrTooLate) {
		t.Errorf("making a parcel that was cancelled was answered %v", err)
	}
	if _, err := c.Create(t.Context(), parcel("shp_1", shipping.PostalCodeHold)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Cancel(t.Context(), "shp_1"); err != nil {
			t.Errorf("cancelling was answered %v", err)
		}
	}
	if found, err := c.Status(t.Context(), "shp_1"); err != nil || found.Status != shipping.StatusCancelled {
		t.Errorf("the parcel is %+v, %v", found, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c, url := serve(t, database(t))
	if _, err := c.Create(t.Context(), shipping.Parcel{ID: "shp_1", OrderID: "ord_1"}); !errors.Is(err, shipping.ErrRefused) {
		t.Errorf("a parcel without an address was answered %v", err)
	}
	if _, err := c.Status(t.Context(), "shp_none"); !errors.Is(err, shipping.ErrUnknown) {
		t.Errorf("an unknown parcel was answered %v", err)
	}
	stranger, err := shipping.New(shipping.Options{BaseURL: url, Key: []byte("another key of enough bytes")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Status(t.Context(), "shp_1"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a stranger was answered %v", err)
	}
}

// TestResumes has the courier die and come back with a parcel on its way.
func TestResumes(t *testing.T) {
	t.Parallel()
	db := database(t)
	first, _ := serve(t, db)
	if _, err := first.Create(t.Context(), parcel("shp_1", "80331")); err != nil {
		t.Fatal(err)
	}
	seen := follow(t, first, 0, shipping.StatusInTransit)
	again, _ := serve(t, db)
	if got := follow(t, again, int64(len(seen)), shipping.StatusDelivered); !slices.Equal(got, []string{shipping.StatusOutForDelivery, shipping.StatusDelivered}) {
		t.Errorf("after a restart the parcel went %v", got)
	}
}

// FuzzSandbox sends anything to the courier: it answers, and never with its own failure.
func FuzzSandbox(f *testing.F) {
	_, url := serve(f, database(f))
	f.Add("shipments", `{"reference":"shp_1","order_id":"o","address":{"name":"a","line1":"b","city":"c","postal_code":"1","country_code":"DE"}}`)
	f.Add("shipments/shp_1/cancel", "")
	f.Fuzz(func(t *testing.T, path, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		req.Header.Set("Authorization", "Bearer "+base64.RawURLEncoding.EncodeToString(key()))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Skip()
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode >= 500 {
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}
