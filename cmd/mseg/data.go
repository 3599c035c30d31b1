package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/ops/data"
)

type dataCmd struct {
	Get  dataGetCmd  `cmd:"" help:"Fetch a data set of the catalogue; every file is verified."`
	List dataListCmd `cmd:"" help:"List the catalogue."`
}

type dataListCmd struct{}

func (dataListCmd) Run() error {
	for _, e := range data.Catalogue() {
		fmt.Printf("%s\n  %s\n  licence: %s\n  cite: %s\n", e.Name, e.Title, e.Licence, e.Citation)
		for _, n := range e.Notes {
			fmt.Printf("  note: %s\n", n)
		}
		for _, s := range e.Sources {
			fmt.Printf("  source %s: %s\n", s.Name, s.Doc)
		}
		dir, err := data.CacheDir()
		if err != nil {
			return err
		}
		missing, err := e.Missing(filepath.Join(dir, e.Name))
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			fmt.Printf("  here: %s\n", filepath.Join(dir, e.Name))
		} else {
			fmt.Printf("  not here: %d of %d files\n", len(missing), len(e.Files))
		}
	}
	return nil
}

type dataGetCmd struct {
	Name      string `arg:"" help:"Name in the catalogue (see mseg data list)."`
	From      string `help:"Source to use: one of the entry's, or a local folder. By default all are tried in turn." placeholder:"SOURCE"`
	To        string `help:"Folder to fill; by default one in the cache that scripts find by themselves." placeholder:"DIR" type:"path"`
	OrPhantom string `help:"If no source can be reached, write generated phantoms of the same file names into DIR/NAME instead, say so, and succeed." placeholder:"DIR" type:"path"`
}

func (c dataGetCmd) Run(ctx context.Context, t *teller) error {
	dir, err := data.Get(ctx, c.Name, c.To, c.From, t.remark)
	if err == nil {
		fmt.Println(filepath.Dir(dir))
		return nil
	}
	if c.OrPhantom == "" || ctx.Err() != nil {
		return err
	}
	if t.form == diag.Full {
		fmt.Fprintf(os.Stderr, "mseg: %v\n", err)
		fmt.Fprintf(os.Stderr, "mseg: the real images cannot be had; GENERATED phantoms take their place, and every report says so\n")
	} else {
		t.diags(diag.List{{Code: diag.CommandFailed, Severity: diag.Warning, Summary: "the real images cannot be had; generated phantoms take their place, and every report says so", Help: err.Error()}}, false)
	}
	if err := standIns(ctx, c.Name, filepath.Join(c.OrPhantom, c.Name)); err != nil {
		return err
	}
	fmt.Println(c.OrPhantom)
	return nil
}

// standIns writes phantoms under the file names of a catalogue entry: lesions only, under the label value 1.
func standIns(ctx context.Context, name, dir string) error {
	var entry *data.Entry
	for _, e := range data.Catalogue() {
		if e.Name == name {
			entry = &e
		}
	}
	if entry == nil {
		return fmt.Errorf("%q is not in the catalogue", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := data.WriteStandIns(ctx, *entry, dir); err != nil {
		return err
	}
	return store.WriteFile(filepath.Join(dir, "SOURCE"), []byte(name+": GENERATED phantoms in place of the real images, which could not be fetched\n"))
}
