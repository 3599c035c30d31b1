package main

import (
	"context"
	"fmt"

	"github.com/mseg-lang/mseg/ops/graph"
)

type backendCmd struct {
	Install backendInstallCmd `cmd:"" help:"Install a library that computes: cpu."`
	Show    backendShowCmd    `cmd:"" help:"Show which backend a run would use, and why."`
}

type backendInstallCmd struct {
	What string `arg:"" enum:"cpu" help:"cpu: the XLA plugin for CPUs (60 MB download, 200 MB on disk)."`
}

func (backendInstallCmd) Run(ctx context.Context, t *teller) error {
	if err := graph.InstallCPU(ctx, t.remark); err != nil {
		return err
	}
	path, err := graph.InstalledCPU()
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

type backendShowCmd struct {
	Backend string `help:"go, xla or xla:PATH." env:"MSEG_BACKEND"`
}

func (c backendShowCmd) Run() error {
	b, err := graph.Open(c.Backend)
	if err != nil {
		return err
	}
	fmt.Println(b.Reason())
	fmt.Println(b.Description())
	return nil
}
