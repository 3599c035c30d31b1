package graph

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// GPU is what the driver says of one.
type GPU struct {
	ID     string // as nvidia-smi and CUDA_VISIBLE_DEVICES know it: a number, or a UUID
	Name   string // NVIDIA H100 80GB HBM3
	Driver string // version
	MiB    int    // memory
}

// String is one line for people and records.
func (g GPU) String() string {
	return fmt.Sprintf("%s, %.0f GiB, driver %s", g.Name, float64(g.MiB)/1024, g.Driver)
}

// ErrNoNVIDIA says that nvidia-smi, which comes with NVIDIA's driver, is not here.
var ErrNoNVIDIA = errors.New("nvidia-smi, which comes with NVIDIA's driver, is not on the PATH")

// NVIDIA asks the driver for the GPU that a program would compute on: the first one, or the first of CUDA_VISIBLE_DEVICES. The error wraps
// ErrNoNVIDIA where there is no driver.
func NVIDIA(ctx context.Context) (GPU, error) {
	smi, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return GPU{}, ErrNoNVIDIA
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // without persistence mode the driver starts anew
	defer cancel()
	id, err := visibleGPU()
	if err != nil {
		return GPU{}, err
	}
	cmd := exec.CommandContext(ctx, smi, "--id="+id, "--query-gpu=memory.total,driver_version,name", "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return GPU{}, fmt.Errorf("nvidia-smi knows no usable GPU %s: %s", id, firstOf(lastLine(text), err.Error()))
	}
	line, _, _ := strings.Cut(text, "\n")
	parts := strings.SplitN(line, ", ", 3)
	mib := 0
	if len(parts) == 3 {
		mib, err = strconv.Atoi(parts[0])
	}
	if len(parts) != 3 || err != nil {
		return GPU{}, fmt.Errorf("nvidia-smi said %q, expected memory, driver and name of a GPU", line)
	}
	return GPU{ID: id, MiB: mib, Driver: parts[1], Name: parts[2]}, nil
}

// visibleGPU is the first that CUDA would show.
func visibleGPU() (string, error) {
	list, set := os.LookupEnv("CUDA_VISIBLE_DEVICES")
	if !set {
		return "0", nil
	}
	first, _, _ := strings.Cut(list, ",")
	if first = strings.TrimSpace(first); first == "" || first == "-1" {
		return "", fmt.Errorf("the environment variable CUDA_VISIBLE_DEVICES is %q, which hides every GPU", list)
	}
	return first, nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
