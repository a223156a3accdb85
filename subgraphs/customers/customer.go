package customers

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/lethe/lethe/privacy"
)

// schemaVersion is that of the documents that this code writes.
const schemaVersion = 1

// Statuses of a customer, as the graph names them.
const (
	statusActive     = "ACTIVE"
	statusRestricted = "RESTRICTED"
)

// Customer is a person who buys. All of it goes with an erasure.
type Customer struct {
	ID            string `bson:"_id"`
	SchemaVersion int    `bson:"schemaVersion"`
	Email         string `bson:"email"`
	// EmailKey is the e-mail address as it is compared: no two customers have the same.
	EmailKey string `bson:"emailKey"`
	Name     string `bson:"name"`
	// NameKeys are the beginnings by which the name is found: the name in lower case, from each of its words on.
	NameKeys  []string  `bson:"nameKeys"`
	Phone     string    `bson:"phone,omitempty"`
	Addresses []Address `bson:"addresses"`
	Consent   Consent   `bson:"consent"`
	Status    string    `bson:"status"`
	Version   int       `bson:"version"`
	CreatedAt time.Time `bson:"createdAt"`
	UpdatedAt time.Time `bson:"updatedAt"`
}

// Address is one of a customer's address book.
type Address struct {
	ID          string `bson:"id"`
	Label       string `bson:"label,omitempty"`
	Name        string `bson:"name"`
	Line1       string `bson:"line1"`
	Line2       string `bson:"line2,omitempty"`
	City        string `bson:"city"`
	PostalCode  string `bson:"postalCode"`
	CountryCode string `bson:"countryCode"`
	Phone       string `bson:"phone,omitempty"`
}

// Consent is whether the shop may send advertisements. At is zero while nothing was ever said.
type Consent struct {
	Granted bool      `bson:"granted"`
	At      time.Time `bson:"at,omitempty"`
}

// newID gives an id that nobody can guess.
func newID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }

// setEmail sets the e-mail address with the key by which it is found.
func (c *Customer) setEmail(email string) {
	c.Email, c.EmailKey = email, emailKey(email)
}

// setName sets the name with the keys by which it is found.
func (c *Customer) setName(name string) {
	c.Name, c.NameKeys = name, nameKeys(name)
}

func emailKey(email string) string { return privacy.NormaliseContact("email", email) }

func nameKey(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

// maxNameKeys bounds the keys of a name with very many words.
const maxNameKeys = 8

func nameKeys(name string) []string {
	words := strings.Fields(strings.ToLower(name))
	keys := make([]string, 0, min(len(words), maxNameKeys))
	for i := range min(len(words), maxNameKeys) {
		keys = append(keys, strings.Join(words[i:], " "))
	}
	return keys
}

// now is the present as documents keep it: in UTC, in milliseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
