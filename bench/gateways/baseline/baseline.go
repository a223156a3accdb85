// Package baseline keeps what a request cost when it was last agreed upon, in figures that do not depend on how busy a
// machine is, and says where it has risen.
package baseline

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
)

// Costs are what one request of each scenario takes.
type Costs struct {
	// Allocations are objects on the heap, and Bytes what they hold.
	Allocations map[string]float64 `json:"allocations"`
	Bytes       map[string]float64 `json:"bytes"`
	// Instructions are those of the router's process outside the kernel, as Callgrind counts them.
	Instructions map[string]float64 `json:"instructions"`
}

// tolerance is how much more than agreed a request may cost.
const tolerance = 0.10

// Read reads a file.
func Read(file string) (*Costs, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	c := &Costs{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read the baseline %s: %w", file, err)
	}
	return c, nil
}

// Update reads a file, has change change it and writes it; a file that does not exist is empty.
func Update(file string, change func(*Costs)) error {
	c, err := Read(file)
	if errors.Is(err, os.ErrNotExist) {
		c, err = &Costs{}, nil
	}
	if err != nil {
		return err
	}
	change(c)
	text, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}

// Risen gives an error that names every figure which is more than a tenth over what was agreed, or which nothing was
// agreed for.
func Risen(what string, agreed, measured map[string]float64) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(measured)) {
		was, ok := agreed[name]
		switch now := measured[name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("%s: nothing was agreed on its %s per request: write the baseline anew", name, what))
		case now > was*(1+tolerance):
			errs = append(errs, fmt.Errorf("%s: %.0f %s per request, and %.0f were agreed: make it cheaper, or write the baseline anew and say why", name, now, what, was))
		}
	}
	return errors.Join(errs...)
}
