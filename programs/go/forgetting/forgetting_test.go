package forgetting

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	os.Exit(m.Run())
}

func TestAsks(t *testing.T) {
	for question := range 7 {
		if answer := Ask(question); answer < question {
			t.Fatal(answer)
		}
	}
	if os.Getenv("FAIL") != "" {
		t.Fatal("as asked")
	}
}
