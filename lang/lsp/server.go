package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/creachadair/jrpc2/handler"
)

// server is one connection with an editor.
type server struct {
	version string

	mu       sync.Mutex
	enc      encoding
	docs     map[string]*document
	shutdown bool
	changed  map[string]bool // documents whose diagnostics are to be published
	wake     chan struct{}
	exited   chan struct{} // closed when the editor says exit
	rpc      *jrpc2.Server
}

// Serve answers an editor until it says exit or the connection ends. The error is nil when the editor took its leave as the protocol wants.
func Serve(ctx context.Context, in io.Reader, out io.WriteCloser, version string) error {
	s := &server{version: version, enc: utf16Units, docs: map[string]*document{}, changed: map[string]bool{}, wake: make(chan struct{}, 1), exited: make(chan struct{})}
	s.rpc = jrpc2.NewServer(s.methods(), &jrpc2.ServerOptions{AllowPush: true, DisableBuiltin: true, NewContext: func() context.Context { return ctx }})
	s.rpc.Start(channel.LSP(in, out))
	ended := make(chan error, 1)
	go func() { ended <- s.rpc.Wait() }()
	done := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() { s.publish(ctx, done) })
	defer publisher.Wait()
	defer close(done)
	select {
	case err := <-ended:
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("the connection with the editor broke: %w", err)
		}
		return errors.New("the editor closed the connection without shutdown and exit")
	case <-ctx.Done():
		return ctx.Err()
	case <-s.exited: // the connection may stay open and nobody writes to it any more: it is not waited for
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shutdown {
		return errors.New("the editor said exit without shutdown")
	}
	return nil
}

func (s *server) methods() handler.Map {
	return handler.Map{
		"initialize":                          handler.New(s.initialize),
		"initialized":                         handler.New(ignore),
		"shutdown":                            handler.New(s.onShutdown),
		"exit":                                handler.New(s.onExit),
		"$/cancelRequest":                     handler.New(ignore),
		"$/setTrace":                          handler.New(ignore),
		"workspace/didChangeConfiguration":    handler.New(ignore),
		"workspace/didChangeWatchedFiles":     handler.New(ignore),
		"workspace/didChangeWorkspaceFolders": handler.New(ignore),
		"textDocument/didOpen":                handler.New(s.didOpen),
		"textDocument/didChange":              handler.New(s.didChange),
		"textDocument/didSave":                handler.New(ignore),
		"textDocument/willSave":               handler.New(ignore),
		"textDocument/didClose":               handler.New(s.didClose),
		"textDocument/hover":                  onDocument(s, s.hover),
		"textDocument/completion":             onDocument(s, s.completion),
		"textDocument/signatureHelp":          onDocument(s, s.signatureHelp),
		"textDocument/definition":             onDocument(s, s.definition),
		"textDocument/references":             onDocument(s, s.references),
		"textDocument/documentHighlight":      onDocument(s, s.highlight),
		"textDocument/prepareRename":          onDocument(s, s.prepareRename),
		"textDocument/rename":                 onDocument(s, s.rename),
		"textDocument/documentSymbol":         onDocument(s, s.symbols),
		"textDocument/formatting":             onDocument(s, s.formatting),
		"textDocument/codeAction":             onDocument(s, s.codeActions),
		"textDocument/inlayHint":              onDocument(s, s.inlayHints),
		"textDocument/semanticTokens/full":    onDocument(s, s.semanticTokens),
	}
}

func ignore(context.Context, json.RawMessage) error { return nil }

// aboutDocument is a request that names a document.
type aboutDocument interface{ document() string }

func (p documentParams) document() string { return p.TextDocument.URI }
func (p positionParams) document() string { return p.TextDocument.URI }
func (p rangeParams) document() string    { return p.TextDocument.URI }

// onDocument finds the document that a request names. What the editor never opened has no answer.
func onDocument[P aboutDocument, R any](s *server, f func(view, P) (R, error)) handler.Func {
	return handler.New(func(_ context.Context, p P) (any, error) {
		s.mu.Lock()
		d, enc := s.docs[p.document()], s.enc
		s.mu.Unlock()
		if d == nil {
			return nil, jrpc2.Errorf(jrpc2.InvalidParams, "%s is not open", p.document())
		}
		r, err := f(view{d, enc, d.read()}, p)
		if err != nil {
			return nil, err
		}
		return r, nil
	})
}

// view is a document as one request sees it.
type view struct {
	*document
	enc encoding
	*analysis
}

func (s *server) initialize(_ context.Context, p initializeParams) (initializeResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(p.Capabilities.General.PositionEncodings, string(utf8Bytes)) {
		s.enc = utf8Bytes
	}
	return initializeResult{
		ServerInfo: serverInfo{"mseg", s.version},
		Capabilities: serverCapabilities{
			PositionEncoding:           string(s.enc),
			TextDocumentSync:           syncOptions{OpenClose: true, Change: 1},
			CompletionProvider:         completionOptions{TriggerCharacters: []string{".", "/", "_", " ", "(", "[", "{", ":"}},
			SignatureHelpProvider:      triggers{TriggerCharacters: []string{"(", "{", ",", ":"}},
			HoverProvider:              true,
			DefinitionProvider:         true,
			ReferencesProvider:         true,
			DocumentHighlightProvider:  true,
			DocumentSymbolProvider:     true,
			DocumentFormattingProvider: true,
			CodeActionProvider:         codeActionOptions{CodeActionKinds: []string{"quickfix", "source.fixAll"}},
			RenameProvider:             renameOptions{PrepareProvider: true},
			InlayHintProvider:          true,
			SemanticTokensProvider:     semanticTokensOptions{Legend: semanticLegend{TokenTypes: tokenTypes, TokenModifiers: tokenModifiers}, Full: true},
		},
	}, nil
}

func (s *server) onShutdown(context.Context) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shutdown = true
	return nil, nil
}

func (s *server) onExit(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
	default:
		close(s.exited)
	}
	return nil
}

func (s *server) didOpen(_ context.Context, p didOpenParams) error {
	s.put(newDocument(p.TextDocument.URI, p.TextDocument.Version, p.TextDocument.Text))
	return nil
}

func (s *server) didChange(_ context.Context, p didChangeParams) error {
	s.mu.Lock()
	old, enc := s.docs[p.TextDocument.URI], s.enc
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	f := old.file
	for _, c := range p.ContentChanges { // whole texts are asked for; parts are understood too
		text := c.Text
		if c.Range != nil {
			from, to := enc.offset(f, c.Range.Start), enc.offset(f, c.Range.End)
			text = f.Text[:min(from, to)] + c.Text + f.Text[max(from, to):]
		}
		d := newDocument(old.uri, p.TextDocument.Version, text)
		f, old = d.file, d
	}
	s.put(old)
	return nil
}

func (s *server) didClose(ctx context.Context, p documentParams) error {
	s.mu.Lock()
	delete(s.docs, p.TextDocument.URI)
	s.mu.Unlock()
	return s.rpc.Notify(ctx, "textDocument/publishDiagnostics", publishParams{URI: p.TextDocument.URI, Diagnostics: []diagnostic{}})
}

func (s *server) put(d *document) {
	s.mu.Lock()
	s.docs[d.uri] = d
	s.changed[d.uri] = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// publish sends the diagnostics of changed documents. Versions that are overtaken while one is checked are left out; the last one never is.
func (s *server) publish(ctx context.Context, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-s.wake:
		}
		for {
			s.mu.Lock()
			var d *document
			for uri := range s.changed {
				delete(s.changed, uri)
				if d = s.docs[uri]; d != nil {
					break
				}
			}
			enc := s.enc
			s.mu.Unlock()
			if d == nil {
				break
			}
			out := publishParams{URI: d.uri, Version: d.version, Diagnostics: diagnostics(view{d, enc, d.read()})}
			s.mu.Lock()
			current := s.docs[d.uri] == d
			s.mu.Unlock()
			if current {
				_ = s.rpc.Notify(ctx, "textDocument/publishDiagnostics", out) // a broken connection ends the server elsewhere
			}
		}
	}
}
