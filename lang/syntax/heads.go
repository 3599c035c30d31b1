package syntax

// Statements with a head of their own (mseg, use, param, fn, expect) are read by participle, from the struct tags. When it gives up, they are gone through
// once more here, for the token at which no rule goes on and for what was expected there: participle leaves an optional part again when something in it is
// wrong, and then blames the token before it. A fuzz target demands that both accept the same statements.

// headFailure is why the tokens of a statement are none; nil if they are one.
func headFailure(c *cursor) error {
	r := reader{c, &c.nodes}
	var err error
	switch head := c.Next().Value; head {
	case "mseg":
		if err = r.token("an edition, as in `mseg 1`"); err == nil && !c.Peek().EOF() {
			err = r.fail("the end of the statement")
		}
	case "use":
		err = r.use()
	case "param":
		if err = r.named(`":" or "="`); err == nil {
			err = r.assigned()
		}
	case "fn":
		err = r.fn()
	case "expect":
		_, err = r.whole()
	}
	return err
}

// token takes a name, or a number or string, which the converter refuses where a name is meant.
func (r reader) token(expected string) error {
	switch r.lex.Peek().Type {
	case Ident, Number, String:
		r.lex.Next()
		return nil
	}
	return r.fail(expected)
}

// punct takes one of the texts, or a failure that names them.
func (r reader) punct(expected, text string) error {
	if !r.is(text) {
		return r.fail(expected)
	}
	r.lex.Next()
	return nil
}

func (r reader) use() error {
	if err := r.token("the name of a library"); err != nil {
		return err
	}
	if r.lex.Peek().EOF() {
		return nil
	}
	if err := r.punct(`"(" or the end of the line`, "("); err != nil {
		return err
	}
	if err := r.token("a name"); err != nil {
		return err
	}
	for r.is(",") {
		r.lex.Next()
		if r.is(")") {
			break
		}
		if err := r.token(`a name or ")"`); err != nil {
			return err
		}
	}
	if err := r.punct(`"," or ")"`, ")"); err != nil {
		return err
	}
	return r.end()
}

func (r reader) end() error {
	if r.lex.Peek().EOF() {
		return nil
	}
	return r.fail("the end of the line")
}

// named takes a name and, behind a colon, a type; what may stand behind is for the message.
func (r reader) named(behind string) error {
	if err := r.token("a name"); err != nil {
		return err
	}
	if r.is(":") {
		r.lex.Next()
		return r.typ()
	}
	if !r.is("=") && !r.is(",") && !r.is(")") && !r.is("?") {
		return r.fail(behind)
	}
	return nil
}

func (r reader) typ() error {
	if err := r.token("a type, such as int, model or list(eval)"); err != nil {
		return err
	}
	if !r.is("(") {
		return nil
	}
	r.lex.Next()
	if err := r.typ(); err != nil {
		return err
	}
	return r.punct(`")"`, ")")
}

// assigned takes `= value` and the end of the statement.
func (r reader) assigned() error {
	if err := r.punct(`"="`, "="); err != nil {
		return err
	}
	_, err := r.whole()
	return err
}

func (r reader) fn() error {
	if err := r.token("a name"); err != nil {
		return err
	}
	if err := r.punct(`"("`, "("); err != nil {
		return err
	}
	for n := 0; !r.is(")"); n++ {
		if n > 0 {
			if err := r.punct(`"," or ")"`, ","); err != nil {
				return err
			}
			if r.is(")") {
				break
			}
		}
		if t := r.lex.Peek().Type; t != Ident && t != Number && t != String {
			return r.fail(`a parameter or ")"`)
		}
		if err := r.named(`":", "," or ")"`); err != nil {
			return err
		}
		if r.is("?") {
			r.lex.Next()
			if r.is("=") {
				return r.fail(`"," or ")": a parameter has a default or may be left out`)
			}
		} else if r.is("=") {
			r.lex.Next()
			if _, err := r.expr(); err != nil {
				return err
			}
		}
	}
	r.lex.Next()
	if r.is("->") {
		r.lex.Next()
		if err := r.typ(); err != nil {
			return err
		}
		return r.assigned()
	}
	if !r.is("=") {
		return r.fail(`"->" or "="`)
	}
	return r.assigned()
}
