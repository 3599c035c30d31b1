package syntax

import (
	"regexp"
	"strings"
)

// EBNF is the grammar of statements and expressions, printed from the structs of grammar.go: what the specification shows. Names in capitals are tokens;
// TERM is a line end that separates statements or the entries of a block.
func EBNF() string {
	var out []string
	seen := map[string]bool{}
	add := func(text string) {
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			name, _, _ := strings.Cut(line, " ")
			if !seen[name] {
				seen[name] = true
				out = append(out, line)
			}
		}
	}
	add("Script = Statement (TERM Statement)* .")
	add("Statement = Edition | Use | Param | Fn | Expect | Binding .")
	for _, text := range []string{build[gBinding](byGrammar()).String(), build[gStatement](byGrammar()).String()} {
		add(polish(text))
	}
	return strings.Join(out, "\n") + "\n"
}

// polish gives productions and tokens the names that the specification uses: GExpr is Expr, <ident> is IDENT.
func polish(text string) string {
	text = regexp.MustCompile(`\bG([A-Z]\w*)`).ReplaceAllString(text, "$1")
	return regexp.MustCompile(`<(\w+)>`).ReplaceAllStringFunc(text, func(s string) string { return strings.ToUpper(strings.Trim(s, "<>")) })
}
