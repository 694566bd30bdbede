//go:build unix

package live

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
)

// begun makes a run whose runner is this process; kill ends it as KILL does.
func begun(t *testing.T) (d Dir, r *Runner, kill func()) {
	t.Helper()
	d, err := Make(t.TempDir(), Meta{ID: "run-1", UID: os.Geteuid()})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := d.Lock(os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if r, err = Begin(d); err != nil {
		t.Fatal(err)
	}
	return d, r, func() { lock.Close() }
}

// rest reads a run from an offset to its end.
func rest(t *testing.T, d Dir, from int64) (string, Item) {
	t.Helper()
	f, err := d.Follow(os.Geteuid(), from, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b strings.Builder
	for {
		it, err := f.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if it.End != "" {
			return b.String(), it
		}
		b.Write(it.Text)
	}
}

func TestAFollowerGetsAllThatIsPrintedAndThenTheResult(t *testing.T) {
	d, r, _ := begun(t)
	var got string
	var end Item
	var wg sync.WaitGroup
	wg.Go(func() { got, end = rest(t, d, 0) })
	var want bytes.Buffer
	for i := range 300_000 { // some megabytes, cut anywhere, umlauts among them
		fmt.Fprintf(io.MultiWriter(&want, r), "line %d: grün\n", i)
	}
	if err := r.End(api.Result{Verdict: "succeeded"}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got != want.String() {
		t.Errorf("read %d bytes of %d", len(got), want.Len())
	}
	if end.End != Ended || end.Result.Verdict != "succeeded" {
		t.Errorf("the end reads %+v", end)
	}
}

func TestAFollowerGoesOnWhereAnotherStopped(t *testing.T) {
	d, r, _ := begun(t)
	io.WriteString(r, "one\ntwo\n")
	f, err := d.Follow(os.Geteuid(), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	it, err := f.Next(context.Background())
	f.Close()
	if err != nil || string(it.Text) != "one\ntwo\n" {
		t.Fatalf("%q, %v", it.Text, err)
	}
	io.WriteString(r, "three\n")
	r.End(api.Result{})
	if got, _ := rest(t, d, it.Next); got != "three\n" {
		t.Errorf("went on with %q", got)
	}
}

func TestACharacterIsNeverCut(t *testing.T) {
	d, r, _ := begun(t)
	f, err := d.Follow(os.Geteuid(), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	io.WriteString(r, "gr\xc3")
	if it, _ := f.Next(context.Background()); string(it.Text) != "gr" || it.Next != 2 {
		t.Errorf("got %q, next %d", it.Text, it.Next)
	}
	io.WriteString(r, "\xbcn")
	if it, _ := f.Next(context.Background()); string(it.Text) != "ün" {
		t.Errorf("then %q", it.Text)
	}
}

func TestWhatWasDroppedBeforeItCouldBeReadIsSaid(t *testing.T) {
	d, r, _ := begun(t)
	block := bytes.Repeat([]byte("x"), segmentSize)
	for range keptUnread + 2 {
		r.Write(block)
	}
	io.WriteString(r, "end\n")
	r.End(api.Result{})
	got, _ := rest(t, d, 0)
	head, _, _ := strings.Cut(got[1:], "\n")
	if want := fmt.Sprintf("[wingman: %d bytes left out here: they were dropped before they could be read; the run's log has them]", 3*segmentSize); head != want {
		t.Errorf("said %q, want %q", head, want)
	}
	if !strings.HasSuffix(got, "xend\n") {
		t.Error("the end is not there")
	}
}

func TestARunThatWasKilledIsGoneAndOneWhoseGateWasShutNeverStarted(t *testing.T) {
	d, r, kill := begun(t)
	io.WriteString(r, "half a")
	if end := d.State(os.Geteuid()); end != "" {
		t.Fatalf("a run that goes on reads as %q", end)
	}
	var got string
	var end Item
	var wg sync.WaitGroup
	wg.Go(func() { got, end = rest(t, d, 0) })
	kill()
	wg.Wait()
	if got != "half a" || end.End != Gone {
		t.Errorf("%q, %q", got, end.End)
	}
	os.Remove(filepath.Join(d.Runs(), "started"))
	if end := d.State(os.Geteuid()); end != NeverStarted {
		t.Errorf("without a start it reads as %q", end)
	}
}

func TestNothingIsReadThroughALinkOrAPipe(t *testing.T) {
	d, _, _ := begun(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(`{"v":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(d.Runs(), "result.json")); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Result(os.Geteuid()); ok {
		t.Error("a link was followed")
	}
	os.Remove(filepath.Join(d.Runs(), "result.json"))
	os.WriteFile(filepath.Join(d.Runs(), "result.json"), []byte(`{"v":1}`), 0o600)
	if _, ok := d.Result(os.Geteuid() + 1); ok {
		t.Error("another user's file was read")
	}
}

func TestTheFirstReasonToEndARunCounts(t *testing.T) {
	d, _, _ := begun(t)
	d.Cancel("nobody waits")
	d.Cancel("something else")
	if got := d.Why(); got != "nobody waits" {
		t.Errorf("the reason reads %q", got)
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"id":"x"}` + opened))
	f.Add([]byte(`{"id":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := ParseOrder(b); ok && !bytes.HasSuffix(b, []byte(opened)) {
			t.Error("an order was taken for given whose end is missing")
		}
	})
}

// However late a reader begins, and however fast the run prints: what waits for the run gets all of it.
func TestAReaderThatIsBehindLosesNothing(t *testing.T) {
	d, r, _ := begun(t)
	block := bytes.Repeat([]byte("x"), segmentSize/4)
	for range 20 * 4 { // before anybody reads
		r.Write(block)
	}
	f, err := d.Follow(os.Geteuid(), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const all = 20 + 200
	written := make(chan bool)
	go func() {
		for range 200 * 4 {
			r.Write(block)
		}
		r.End(api.Result{})
		close(written)
	}()
	select {
	case <-written:
		t.Error("the run did not wait for its reader")
	case <-time.After(200 * time.Millisecond):
	}
	got := 0
	for {
		it, err := f.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if it.End != "" {
			break
		}
		got += len(it.Text)
	}
	<-written
	if got != all*segmentSize {
		t.Errorf("%d bytes of %d", got, all*segmentSize)
	}
}
