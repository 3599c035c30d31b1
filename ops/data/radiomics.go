package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// radiomics is the five annotated cases of pyradiomics 3.0.1's source package: small, real, and under a free licence.
func radiomics() Entry {
	e := Entry{
		Name:     "radiomics",
		Title:    "five annotated tumour cases (2 brain MR, 1 breast MR, 2 lung CT) of pyradiomics 3.0.1",
		Licence:  "BSD-3-Clause, Copyright 2017 Harvard Medical School (licence of the package; the data folder has none of its own)",
		Citation: "van Griethuysen JJM et al. Computational Radiomics System to Decode the Radiographic Phenotype. Cancer Research 77(21):e104-e107, 2017",

		ImagePattern: "{case}_image.nrrd",
		MaskPattern:  "{case}_label.nrrd",
		Notes: []string{
			"five cases show that a pipeline works; they say nothing about how good a model is",
			"who drew the outlines is not stated; modality and sequence are inferred from the values",
			"label values are int32 in the brain cases and int16 elsewhere, always 0 and 1",
			"the brain volumes are stored with the second axis reversed against the others",
			"lung slices are 5 mm apart, brain slices 6.5 mm; the lesion of lung1 has 837 voxels in 3 slices",
		},
		Files: []File{
			{"brain1_image.nrrd", "fffdb111ee8b428ede7256707393c927a7d5be912f0604cf3c6f1bd5fc9644cf", 2023786},
			{"brain1_label.nrrd", "ae6d8e6b84f7e99d68c210ee2fa6aaaefa0b2df0a84f55efca4feebe2b216059", 7517},
			{"brain2_image.nrrd", "d35a1c6a3e1eb72bae97c5515472fbe057fb38ee8e1e199215d1c3c6f292332e", 1737246},
			{"brain2_label.nrrd", "15189c024936ecc337649b9a10c475117c7c40df0d53c22163f9a2023ed741a5", 6394},
			{"breast1_image.nrrd", "0e8b668f3ce9b9aacff20dc3c216866f43069ff96b269fb45b76f5e205a431e2", 78730},
			{"breast1_label.nrrd", "07085bb0e36a956de5bd1c1c1b5f8bdf2ce80952125b13cbd352412c108c8950", 710},
			{"lung1_image.nrrd", "379fa48bf34cfa961e6f5ec19c0c38757a30b9aa884212ef28dc29b5061c64ed", 12548518},
			{"lung1_label.nrrd", "e9d9a88054d7bc1d3034193ff907ce6b8c6ba28a7bc3a16f23728982d1b6b50a", 24999},
			{"lung2_image.nrrd", "aa2b94eec79127ed786798ac8dc3c013010e1692d5787bebfae1a1e9685a4651", 17817709},
			{"lung2_label.nrrd", "cef52738dc51aab69a48fe30639da956d2b911b1c2920439c091fab84727657a", 33427},
		},
	}
	e.Sources = []Source{
		{
			Name: "pip", Doc: "the source package pyradiomics 3.0.1, by the pip of python3 and its configured index",
			fetch: func(ctx context.Context, dir string, progress func(string)) error {
				archive, err := pipSource(ctx, dir, "pyradiomics", "3.0.1", progress)
				if err != nil {
					return err
				}
				return untar(archive, dir, e.Files)
			},
		},
		{
			Name: "git", Doc: "tag v3.0.1 of the project's public repository",
			fetch: func(ctx context.Context, dir string, progress func(string)) error {
				return command(ctx, dir, "git", "clone", "--quiet", "--depth", "1", "--branch", "v3.0.1",
					"https://github.com/AIM-Harvard/pyradiomics", filepath.Join(dir, "repository"))
			},
		},
	}
	return e
}

// setupNeeds stands in for what pyradiomics' setup.py asks of its surroundings when pip wants the package's metadata:
// numpy's include folder (nothing is compiled), and, from Python 3.12 on, names that configparser has dropped.
var setupNeeds = map[string]string{
	"numpy.py": "def get_include():\n    return '.'\n",
	"sitecustomize.py": "import configparser\n" +
		"configparser.SafeConfigParser = getattr(configparser, 'SafeConfigParser', configparser.ConfigParser)\n" +
		"if not hasattr(configparser.RawConfigParser, 'readfp'):\n" +
		"    configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file\n",
}

// pipSource downloads the source archive of one release of a Python package into dir and gives its path.
//
// pip has no way to fetch a source archive without running its setup, and the setup of this one fails in pip's isolated
// build environment, which lacks numpy. So it runs, with build isolation off, in an environment made for this call and
// thrown away after it, which has setuptools and stand-ins for the rest.
func pipSource(ctx context.Context, dir, name, version string, progress func(string)) (string, error) {
	venv, stand, out := filepath.Join(dir, "venv"), filepath.Join(dir, "stand-ins"), filepath.Join(dir, "archive")
	if err := os.MkdirAll(stand, 0o755); err != nil {
		return "", err
	}
	for file, text := range setupNeeds {
		if err := os.WriteFile(filepath.Join(stand, file), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	progress("making a throw-away Python environment")
	if err := command(ctx, dir, "python3", "-m", "venv", venv); err != nil {
		return "", err
	}
	python := filepath.Join(venv, "bin", "python")
	// Releases of setuptools from 72 on have dropped the test command that this setup imports.
	if err := command(ctx, dir, python, "-m", "pip", "install", "--quiet", "setuptools<72", "wheel"); err != nil {
		return "", err
	}
	progress(fmt.Sprintf("downloading the source package of %s %s (34 MB)", name, version))
	err := command(ctx, dir, "env", "PYTHONPATH="+stand, python, "-m", "pip", "download", "--quiet",
		"--no-build-isolation", "--no-binary", ":all:", "--no-deps", "--dest", out, name+"=="+version)
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(out, name+"-"+version+".tar.gz"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("pip succeeded but left no %s-%s.tar.gz", name, version)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// command runs a program; its last lines of output become part of the error.
func command(ctx context.Context, dir, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	c.WaitDelay = 5 * time.Second // children that keep the pipe open must not keep us
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed", name)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, strings.Join(lines[max(0, len(lines)-4):], " | "))
	}
	return nil
}
