package expect

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The parts of the JUnit format that CI systems agree on.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`

	seconds float64
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit is the results as a JUnit XML document: a suite a script, times in seconds.
func JUnit(results []Result) ([]byte, error) {
	all := junitSuites{}
	var total float64
	for _, r := range results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != r.Script {
			all.Suites = append(all.Suites, junitSuite{Name: r.Script})
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{Class: r.Script, Name: r.Name, File: r.Script, Line: r.Line, Time: seconds(r.Seconds)}
		if !r.Passed {
			summary, _, _ := strings.Cut(r.Message, "\n")
			c.Failure = &junitFailure{summary, r.Kind, r.Explain()}
			s.Failures++
			all.Failures++
		}
		s.Tests++
		all.Tests++
		s.seconds += r.Seconds
		total += r.Seconds
		s.Time = seconds(s.seconds)
		s.Cases = append(s.Cases, c)
	}
	all.Time = seconds(total)
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("JUnit results: %w", err)
	}
	return append([]byte(xml.Header), append(b, '\n')...), nil
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// Explain is where and why a test failed: lines without a final line end.
func (r Result) Explain() string {
	text := r.Message
	if !strings.HasPrefix(text, r.Script+":") { // a diagnostic says its own place
		text = fmt.Sprintf("%s:%d:%d: %s", r.Script, r.Line, r.Column, text)
	}
	if r.Found != "" {
		text += "\nfound " + r.Found
	}
	return text
}
