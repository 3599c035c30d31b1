package syntax

import (
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammar over the tokens that the layout pass leaves. It is private: convert.go turns it into the AST.
// The specification's EBNF is printed from it (EBNF).

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
	Value *gExpr `parser:"'=' @@"`
}

type gFn struct {
	Name    gToken     `parser:"'fn' @@"`
	Params  []*gFParam `parser:"'(' ( @@ ( ',' @@ )* ','? )? ')'"`
	Returns *gType     `parser:"( '->' @@ )?"`
	Body    *gExpr     `parser:"'=' @@"`
}

type gFParam struct {
	Name    gToken `parser:"@@"`
	Type    *gType `parser:"( ':' @@ )?"`
	Default *gExpr `parser:"( '=' @@ )?"`
}

type gType struct {
	Name gToken `parser:"@@"`
	Of   *gType `parser:"( '(' @@ ')' )?"`
}

type gExpect struct {
	Condition *gExpr `parser:"'expect' @@"`
}

type gBinding struct {
	Kind  gToken `parser:"@@"`
	Name  gToken `parser:"@@"`
	Value *gExpr `parser:"'=' @@"`
}

type gBare struct {
	Value *gExpr `parser:"@@"`
}

// gToken captures one token with its place.
type gToken struct {
	Pos  lexer.Position
	Text string `parser:"@( Ident | Number | String )"`
}

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

// The parsers are built on first use: a program that parses nothing does not pay for them.
// Two tokens of lookahead are needed in one place only: to tell a trailing comma from a comma before another item.
var (
	statementParser = sync.OnceValue(build[gStatement])
	bindingParser   = sync.OnceValue(build[gBinding])
	bareParser      = sync.OnceValue(build[gBare])
)

func build[G any]() *participle.Parser[G] {
	return participle.MustBuild[G](participle.Lexer(tokenDefinition{}), participle.UseLookahead(2))
}
