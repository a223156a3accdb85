package playground

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed shop
var shop embed.FS

// ShopTabs gives operations to begin with in a graph of the schemas in schema/, in the order of their file names. A file
// shop/NAME.json holds the variables of shop/NAME.graphql.
func ShopTabs() ([]Tab, error) {
	names, err := fs.Glob(shop, "shop/*.graphql")
	if err != nil {
		return nil, fmt.Errorf("list the shop's operations: %w", err)
	}
	var tabs []Tab
	for _, name := range names {
		query, err := fs.ReadFile(shop, name)
		if err != nil {
			return nil, fmt.Errorf("read an operation: %w", err)
		}
		tab := Tab{Query: string(query)}
		variables := strings.TrimSuffix(name, path.Ext(name)) + ".json"
		if text, err := fs.ReadFile(shop, variables); err == nil {
			tab.Variables = string(text)
		}
		tabs = append(tabs, tab)
	}
	return tabs, nil
}
