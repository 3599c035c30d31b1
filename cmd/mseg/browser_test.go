package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const reportScript = `mseg 1
data d = phantom(patients: 3, slices: 2, size: 64 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(64 px))
eval fill = box_fill |> evaluate(d)
eval oval = box_ellipse |> evaluate(d)
eval net  = sam_tiny(image: 64 px) |> adapt(mixture(2, bottleneck: 4)) |> evaluate(d)
compare gain = [oval, fill]
report page = [net, oval, fill, gain] { title: "In a browser" }
`

// A report opens in a browser from the disk alone: it asks for nothing else, reports no fault, shows its tables and pictures, does not
// overflow a narrow window, and its tables can be sorted.
func TestReportInABrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("there is no Chromium on this machine")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "page.mseg")
	if err := os.WriteFile(script, []byte(reportScript), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := mseg(t, "run", "-q", script); code != 0 {
		t.Fatal(stderr)
	}

	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(browser), chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	ctx, closeTab := chromedp.NewContext(allocator)
	defer closeTab()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()

	var mu sync.Mutex
	var faults, requests []string
	err := chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			faults = append(faults, ev.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			faults = append(faults, ev.Entry.Text)
		case *network.EventRequestWillBeSent:
			requests = append(requests, ev.Request.URL[:min(80, len(ev.Request.URL))])
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	type shown struct {
		Title                              string
		Tables, Rows, Charts, Tiles        int
		Broken, Overflow, Unlabelled, Text int
		Before, Ascending, Descending      []string
	}
	url := "file://" + filepath.Join(dir, "page.out", "page", "index.html")
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(420, 800), chromedp.Navigate(url), chromedp.WaitReady("body")); err != nil {
		t.Fatal(err)
	}
	page, err := chromedp.Run(ctx, chromedp.Evaluate[shown](`(async () => {
			for (const i of document.images) { i.loading = "eager"; await i.decode().catch(() => {}); }
			const table = document.querySelector("figure.table table");
			const at = [...table.querySelectorAll("thead th")].findIndex(h => h.textContent.startsWith("dice"));
			const column = () => [...table.tBodies[0].rows].map(r => r.children[at].dataset.key);
			const button = table.querySelectorAll("thead button")[at];
			const before = column();
			button.click(); const ascending = column();
			button.click(); const descending = column();
			return {
				Title: document.title, Tables: document.querySelectorAll("figure.table").length, Rows: document.querySelectorAll("tbody tr").length,
				Charts: document.querySelectorAll("figure.chart svg").length, Tiles: document.querySelectorAll(".tile img").length,
				Broken: [...document.images].filter(i => i.naturalWidth === 0).length,
				Overflow: Math.max(0, document.documentElement.scrollWidth - innerWidth),
				Unlabelled: [...document.images].filter(i => !i.alt).length,
				Text: document.body.innerText.length, Before: before, Ascending: ascending, Descending: descending,
			};
		})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, f := range faults {
		t.Errorf("the browser says: %s", f)
	}
	for _, r := range requests {
		if r != url[:min(80, len(url))] && r[:5] != "data:" {
			t.Errorf("the page asks for %s", r)
		}
	}
	if len(requests) == 0 {
		t.Error("no request was seen at all: the check looks at nothing")
	}
	if page.Title != "In a browser" || page.Tables < 3 || page.Rows < 10 || page.Charts < 1 || page.Tiles < 6 || page.Text < 1000 {
		t.Errorf("the page shows %+v", page)
	}
	if page.Broken > 0 || page.Overflow > 0 || page.Unlabelled > 0 {
		t.Errorf("%d broken pictures, %d without words, %d px wider than the window", page.Broken, page.Unlabelled, page.Overflow)
	}
	down := slices.Clone(page.Ascending)
	slices.Reverse(down)
	if len(page.Before) != 3 || slices.Equal(page.Ascending, page.Descending) || !slices.Equal(page.Descending, down) {
		t.Errorf("sorting: %v, then %v, then %v", page.Before, page.Ascending, page.Descending)
	}
}
