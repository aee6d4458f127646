// Package leaking has a cache that its tests fill and nobody empties.
package leaking

var cache = map[int][]byte{}

// Remember keeps a page for every key.
func Remember(key int) []byte {
	page, known := cache[key]
	if !known {
		page = make([]byte, 64<<10)
		cache[key] = page
	}
	return page
}
