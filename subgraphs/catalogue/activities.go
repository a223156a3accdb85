package catalogue

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/workflows"
)

// activities are what workflows may ask of the catalogue.
type activities struct{ store *store }

func (a *activities) register(r worker.Registry) {
	r.RegisterActivityWithOptions(a.quote, activity.RegisterOptions{Name: workflows.ActivityQuote})
}

// quote gives the present price of products.
func (a *activities) quote(ctx context.Context, in workflows.QuoteRequest) (workflows.Quote, error) {
	ids := make([]string, len(in.Lines))
	for i, l := range in.Lines {
		ids[i] = l.ProductID
	}
	found, err := a.store.byIDs(ctx, ids)
	if err != nil {
		return workflows.Quote{}, err
	}
	var out workflows.Quote
	for _, l := range in.Lines {
		p := found[l.ProductID]
		if p == nil {
			// Business as usual: metrics do not count it as a failure.
			return out, temporal.NewApplicationErrorWithOptions("a product is not in the catalogue", workflows.ErrTypeUnknownProduct, temporal.ApplicationErrorOptions{
				NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign, Details: []any{l.ProductID},
			})
		}
		minor, ok := p.Prices[in.Currency]
		if !ok {
			return out, fmt.Errorf("product %s has no price in %s", p.ID, in.Currency)
		}
		out.Lines = append(out.Lines, workflows.QuotedLine{
			ProductID: p.ID, SKU: p.SKU, Name: p.Name, Quantity: l.Quantity, UnitMinor: minor, WeightGrams: p.WeightGrams,
		})
	}
	return out, nil
}
