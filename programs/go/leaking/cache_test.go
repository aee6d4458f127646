package leaking

import "testing"

func TestRemembersEveryKey(t *testing.T) {
	for key := range 800 {
		if len(Remember(key)) != 64<<10 {
			t.Fatal("a page of another size")
		}
	}
}
