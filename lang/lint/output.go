package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
)

// WriteGitHub writes findings as workflow commands, which GitHub shows beside the lines of a pull request.
func WriteGitHub(w io.Writer, l diag.List) error {
	escape := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, d := range l {
		level := string(d.Severity)
		if d.Severity == diag.Note {
			level = "notice"
		}
		where := ""
		if !d.Span.IsZero() {
			from, until := d.Span.From(), d.Span.Until()
			where = fmt.Sprintf(" file=%s,line=%d,endLine=%d,col=%d,title=%s", property.Replace(filepath.ToSlash(d.Span.File.Name)), from.Line, until.Line, from.Column, property.Replace(string(d.Code)))
		}
		text := d.Summary
		if d.Help != "" {
			text += "\n" + d.Help
		}
		if _, err := fmt.Fprintf(w, "::%s%s::%s\n", level, where, escape.Replace(text)); err != nil {
			return err
		}
	}
	return nil
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifRule struct {
	ID               string            `json:"id"`
	ShortDescription sarifText         `json:"shortDescription"`
	FullDescription  sarifText         `json:"fullDescription"`
	Configuration    map[string]string `json:"defaultConfiguration"`
	Properties       map[string]string `json:"properties"`
}

type sarifPlace struct {
	PhysicalLocation struct {
		ArtifactLocation struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			StartLine   int `json:"startLine"`
			StartColumn int `json:"startColumn"`
			EndLine     int `json:"endLine"`
			EndColumn   int `json:"endColumn"`
		} `json:"region"`
	} `json:"physicalLocation"`
}

type sarifResult struct {
	RuleID    string       `json:"ruleId"`
	Level     string       `json:"level"`
	Message   sarifText    `json:"message"`
	Locations []sarifPlace `json:"locations,omitempty"`
}

// WriteSARIF writes findings in the Static Analysis Results Interchange Format 2.1.0. Columns count characters.
func WriteSARIF(w io.Writer, l diag.List, version string) error {
	described := []sarifRule{}
	for _, r := range Rules() {
		described = append(described, sarifRule{r.Name, sarifText{Text: r.Title}, sarifText{Text: r.Doc, Markdown: r.Doc}, map[string]string{"level": string(r.Severity)}, map[string]string{"confidence": string(r.Confidence)}})
	}
	results := []sarifResult{}
	for _, d := range l {
		text := d.Summary
		if d.Help != "" {
			text += ". " + d.Help
		}
		r := sarifResult{RuleID: string(d.Code), Level: string(d.Severity), Message: sarifText{Text: text}}
		if !d.Span.IsZero() {
			var p sarifPlace
			p.PhysicalLocation.ArtifactLocation.URI = filepath.ToSlash(d.Span.File.Name)
			from, until := d.Span.From(), d.Span.Until()
			region := &p.PhysicalLocation.Region
			region.StartLine, region.StartColumn, region.EndLine, region.EndColumn = from.Line, from.Column, until.Line, until.Column
			r.Locations = []sarifPlace{p}
		}
		results = append(results, r)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []any{map[string]any{
			"tool":       map[string]any{"driver": map[string]any{"name": "mseg lint", "version": version, "rules": described}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	})
}
