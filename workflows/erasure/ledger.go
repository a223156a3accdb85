package erasure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/workflows"
)

const collectionLedger = "ledger"

// eventCertificate is the event of a line that holds a certificate.
const eventCertificate = workflows.StateCompleted

// ledgerLine is a line of the ledger. Each names the hash of the one before, so that none can be taken out or changed.
type ledgerLine struct {
	Number   int64     `bson:"_id"`
	Key      string    `bson:"key"` // erasure and event: the same line is never written twice
	Erasure  string    `bson:"erasure"`
	Subject  string    `bson:"subject"`
	Event    string    `bson:"event"`
	At       time.Time `bson:"at"`
	PlanHash string    `bson:"planHash"`
	Previous string    `bson:"previous"`
	Hash     string    `bson:"hash"`
	Document string    `bson:"document,omitempty"` // of a certificate
}

func (l ledgerLine) digest() string {
	return certificate.Digest(fmt.Appendf(nil, "%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s",
		l.Number, l.Key, l.Erasure, l.Subject, l.Event, l.At.UTC().Format(time.RFC3339Nano), l.PlanHash, l.Previous, l.Document))
}

// Ledger appends an event. Repeated, it appends nothing.
func (a *Activities) Ledger(ctx context.Context, in workflows.LedgerEntry) error {
	_, err := a.append(ctx, ledgerLine{
		Key: in.ErasureID + "/" + in.Event, Erasure: in.ErasureID, Subject: in.SubjectHash, Event: in.Event,
		At: in.At.UTC().Truncate(time.Millisecond), PlanHash: in.PlanHash,
	}, nil)
	return err
}

func (a *Activities) ledger() *mongo.Collection { return a.o.DB.Collection(collectionLedger) }

// append adds a line to the end of the chain, which the unique number guards, or gives the one that is there. Fill, where
// given, completes the line.
func (a *Activities) append(ctx context.Context, line ledgerLine, fill func(line *ledgerLine) error) (ledgerLine, error) {
	for {
		var kept ledgerLine
		err := a.ledger().FindOne(ctx, bson.D{{Key: "key", Value: line.Key}}).Decode(&kept)
		if err == nil {
			return kept, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return line, fmt.Errorf("read the ledger: %w", err)
		}
		var last ledgerLine
		err = a.ledger().FindOne(ctx, bson.D{}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(&last)
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return line, fmt.Errorf("read the ledger: %w", err)
		}
		line.Number, line.Previous = last.Number+1, last.Hash
		if fill != nil {
			if err := fill(&line); err != nil {
				return line, err
			}
		}
		line.Hash = line.digest()
		if _, err = a.ledger().InsertOne(ctx, line); err == nil {
			return line, nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return line, fmt.Errorf("write the ledger: %w", err)
		}
	}
}

// previousCertificate gives the hash of the certificate issued last; empty before the first.
func (a *Activities) previousCertificate(ctx context.Context) (string, error) {
	var last ledgerLine
	err := a.ledger().FindOne(ctx, bson.D{{Key: "event", Value: eventCertificate}}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(&last)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the last certificate: %w", err)
	}
	return certificate.Digest([]byte(last.Document)), nil
}

// VerifyLedger reads the whole ledger of a database and checks that no line was changed, taken out or put in. It gives the
// number of lines.
func VerifyLedger(ctx context.Context, db *mongo.Database) (int, error) {
	cursor, err := db.Collection(collectionLedger).Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return 0, fmt.Errorf("read the ledger: %w", err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	n, previous := 0, ""
	for cursor.Next(ctx) {
		var line ledgerLine
		if err := cursor.Decode(&line); err != nil {
			return n, fmt.Errorf("read line %d of the ledger: %w", n+1, err)
		}
		if line.Number != int64(n+1) || line.Previous != previous || line.Hash != line.digest() {
			return n, fmt.Errorf("line %d of the ledger does not follow from the one before: it was changed, or one was taken out", n+1)
		}
		n, previous = n+1, line.Hash
	}
	return n, cursor.Err()
}
