package syntax

import (
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammar over the tokens that the layout pass leaves. It is private: convert.go turns it into the AST, and the specification's EBNF is printed from it
// (ebnf.go).
//
// Participle reads statements from these structs. Bindings and the expressions in all statements are nearly the whole of a script, and participle reads about half a
// megabyte of them a second; expression.go reads the same productions by hand, many times as fast. The struct tags stay the definition: a test and a fuzz
// target parse everything both ways and demand the same tree, or a failure at the same token.

type gStatement struct {
	Pos     lexer.Position
	Edition *gEdition `parser:"  @@"`
	Use     *gUse     `parser:"| @@"`
	Param   *gParam   `parser:"| @@"`
	Fn      *gFn      `parser:"| @@"`
	Expect  *gExpect  `parser:"| @@"`
}

type gEdition struct {
	Number gToken `parser:"'mseg' @@"`
}

type gUse struct {
	Library gToken   `parser:"'use' @@"`
	Names   []gToken `parser:"( '(' @@ ( ',' @@ )* ','? ')' )?"`
}

type gParam struct {
	Name  gToken `parser:"'param' @@"`
	Type  *gType `parser:"( ':' @@ )?"`
	Value gValue `parser:"'=' @@"`
}

type gFn struct {
	Name    gToken     `parser:"'fn' @@"`
	Params  []*gFParam `parser:"'(' ( @@ ( ',' @@ )* ','? )? ')'"`
	Returns *gType     `parser:"( '->' @@ )?"`
	Body    gValue     `parser:"'=' @@"`
}

type gFParam struct {
	Name     gToken `parser:"@@"`
	Type     *gType `parser:"( ':' @@ )?"`
	Optional bool   `parser:"( @'?'"`
	Default  gValue `parser:"| '=' @@ )?"`
}

type gType struct {
	Name gToken `parser:"@@"`
	Of   *gType `parser:"( '(' @@ ')' )?"`
}

type gExpect struct {
	Condition gValue `parser:"'expect' @@"`
}

type gBinding struct {
	Kind  gToken `parser:"@@"`
	Name  gToken `parser:"@@"`
	Value gValue `parser:"'=' @@"`
}

type gBare struct {
	Value gValue `parser:"@@"`
}

// gToken captures one token with its place.
type gToken struct {
	Pos  lexer.Position
	Text string `parser:"@( Ident | Number | String )"`
}

// gValue is an expression as a statement holds it; always a *gExpr.
type gValue interface{ value() *gExpr }

func (e *gExpr) value() *gExpr { return e }

type gExpr struct {
	First *gUnary   `parser:"@@"`
	Rest  []*gOpArm `parser:"@@*"`
}

type gOpArm struct {
	Pos   lexer.Position
	Op    string  `parser:"@( '|>' | 'or' | 'and' | 'in' | '==' | '!=' | '<=' | '>=' | '<' | '>' | '..' | '+' | '-' | '*' | '/' )"`
	Right *gUnary `parser:"@@"`
}

type gUnary struct {
	Ops  []gPrefix `parser:"@@*"`
	Base *gPostfix `parser:"@@"`
}

type gPrefix struct {
	Pos lexer.Position
	Op  string `parser:"@( '-' | 'not' )"`
}

type gPostfix struct {
	Base *gPrimary `parser:"@@"`
	Tail []*gTail  `parser:"@@*"`
}

type gTail struct {
	Field *gField `parser:"  '.' @@"`
	Call  *gArgs  `parser:"| @@"`
	Index *gIndex `parser:"| @@"`
	Block *gBlock `parser:"| @@"`
}

type gField struct {
	Pos  lexer.Position
	Name string `parser:"@( Ident )"`
}

type gArgs struct {
	Open  string   `parser:"@'('"`
	Items []*gItem `parser:"( @@ ( ',' @@ )* ','? )?"`
	Close gClose   `parser:"@@"`
}

type gIndex struct {
	Open  string `parser:"@'['"`
	By    *gExpr `parser:"@@"`
	Close gClose `parser:"@@"`
}

type gBlock struct {
	Pos   lexer.Position
	Open  string   `parser:"@'{'"`
	Items []*gItem `parser:"( @@ ( ( ',' | Term ) @@ )* ','? )?"`
	Close gClose   `parser:"@@"`
}

type gClose struct {
	Pos  lexer.Position
	Text string `parser:"@( ')' | ']' | '}' )"`
}

// gItem is `value` or `key: value`; the key is parsed as an expression and checked afterwards, which keeps the grammar LL(1).
type gItem struct {
	Else  *gElse `parser:"( @@"`
	Key   *gExpr `parser:"| @@ )"`
	Value *gExpr `parser:"( ':' @@ )?"`
}

type gElse struct {
	Pos  lexer.Position
	Text string `parser:"@'else'"`
}

type gPrimary struct {
	Pos    lexer.Position
	Number *gNumber `parser:"  @@"`
	String *string  `parser:"| @String"`
	Bool   *string  `parser:"| @( 'true' | 'false' )"`
	Path   *string  `parser:"| @Path"`
	Name   *string  `parser:"| @Ident"`
	Group  *gGroup  `parser:"| @@"`
	List   *gList   `parser:"| @@"`
	Map    *gBlock  `parser:"| @@"`
}

type gNumber struct {
	Text string `parser:"@Number"`
	Unit *gUnit `parser:"@@?"`
}

type gUnit struct {
	Pos  lexer.Position
	Text string `parser:"@Unit"`
}

type gGroup struct {
	Open  string `parser:"@'('"`
	Value *gExpr `parser:"@@"`
	Close gClose `parser:"@@"`
}

type gList struct {
	Open    string     `parser:"@'['"`
	First   *gExpr     `parser:"( @@"`
	Clauses []*gClause `parser:"  @@*"`
	Rest    []*gExpr   `parser:"  ( ',' @@ )* ','? )?"`
	Close   gClose     `parser:"@@"`
}

type gClause struct {
	Var  *gToken `parser:"( 'for' @@"`
	Over *gExpr  `parser:"  'in' @@"`
	If   *gExpr  `parser:"| 'if' @@ )"`
}

// statementParser is built on first use: a program that parses nothing does not pay for it.
var statementParser = sync.OnceValue(func() *participle.Parser[gStatement] {
	return build[gStatement](participle.ParseTypeWith(parseValue))
})

// byGrammar makes expressions be read from the struct tags too: for the specification and for tests.
func byGrammar() participle.Option { return participle.Union[gValue](&gExpr{}) }

// Two tokens of lookahead are needed in one place only: to tell a trailing comma from a comma before another item.
func build[G any](values participle.Option) *participle.Parser[G] {
	return participle.MustBuild[G](participle.Lexer(tokenDefinition{}), participle.UseLookahead(2), values)
}
