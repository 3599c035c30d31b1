package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models"
)

const ownNet = `mseg 1
fn twice(x: features, n: int) -> tensor = x |> conv(n, bias: false) |> instance_norm |> relu |> conv(n, bias: false, size: 1 px) |> instance_norm |> relu
fn level(x: features, n: int) -> tensor = twice(concat(x, resize(twice(max_pool(x), 2 * n), 2)), n)
fn small(x: image, box: mask, width: int = 4) -> logits = sum(linear(level(twice(concat(instance_norm(x), box), width), width), 1, name: "decoder.head"), over: channel)
prep p     = percentile(0 % .. 100 %) |> slices() |> resize(32 px)
data d     = phantom(patients: 2, slices: 2, size: 64 px) |> prep(p)
model net  = custom_network(small(width: 6), image: 32 px, seed: 3)
model done = net |> train(d, epochs: 8, batch: 4, loss: dice + bce, optimizer: adamw(1e-2))
`

// A network written in a script has the weights of its layers, in groups by their names, and learns.
func TestOwnNetwork(t *testing.T) {
	e := newEngine(t, Config{})
	p := checked(t, ownNet)
	if _, err := e.Run(t.Context(), p, ownNet); err != nil {
		t.Fatal(err)
	}
	b, _ := p.Lookup("done")
	v, err := e.Value(t.Context(), nodesIn(b.Value)[0])
	if err != nil {
		t.Fatal(err)
	}
	m := v.(*Model)
	// 4 input channels to 6, and 6 to 6; after pooling 6 to 12 and 12 to 12; 18 to 6 and 6 to 6; the head.
	want := 4*6*9 + 6*6 + 6*12*9 + 12*12 + 18*6*9 + 6*6 + 6 + 1
	if n, _ := m.Count(false); int(n) != want {
		t.Errorf("%g parameters, by its layers %d", n, want)
	}
	head, err := m.Built.Group(models.Decoder)
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Built.Count(head); n != 7 {
		t.Errorf("the decoder has %d parameters, its head 7", n)
	}
	if first, last := m.History[0].Loss, m.History[len(m.History)-1].Loss; !(last < 0.8*first) {
		t.Errorf("the loss went from %g to %g", first, last)
	}
}

// Experts go where the network has places for them, and are counted and trained like those of other networks.
func TestOwnNetworkWithExperts(t *testing.T) {
	e := newEngine(t, Config{})
	text := `mseg 1
fn small(x: image, box: mask) -> logits = sum(linear(adaptable(relu(conv(adaptable(conv(concat(x / 255, box), 5)), 6))), 1), over: channel)
data d      = phantom(patients: 2, slices: 1, size: 64 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px))
model plain = custom_network(small, image: 32 px)
model both  = plain |> adapt(mixture(3, bottleneck: 2), train: [experts])
model second = plain |> adapt(mixture(3, bottleneck: 2), blocks: [1], train: [experts])
model done  = both |> train(d, epochs: 1, batch: 2, loss: dice)
`
	p := checked(t, text)
	if _, err := e.Run(t.Context(), p, text); err != nil {
		t.Fatal(err)
	}
	model := func(name string) *Model {
		b, _ := p.Lookup(name)
		v, err := e.Value(t.Context(), nodesIn(b.Value)[0])
		if err != nil {
			t.Fatal(err)
		}
		return v.(*Model)
	}
	count := func(name string, trainable bool) float64 {
		n, err := model(name).Count(trainable)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	adapters := func(width int) float64 { return float64(3 * (2*width*2 + 2 + width)) } // of one place, gate aside
	if added := count("both", false) - count("second", false); added <= adapters(5) {
		t.Errorf("the first place adds %g parameters, its adapters alone have %g", added, adapters(5))
	}
	if got, all := count("both", true), count("both", false)-count("plain", false); got != all {
		t.Errorf("%g parameters are trained, the experts have %g", got, all)
	}
	if got := model("both").Built.Blocks; len(got) != 2 {
		t.Errorf("experts in %v, expected two places", got)
	}
	before, err := model("both").Params()
	if err != nil {
		t.Fatal(err)
	}
	after, err := model("done").Params()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range after.Names() {
		a, _ := before.Get(name)
		b, _ := after.Get(name)
		moved := !slices.Equal(a.Data, b.Data)
		if expert := strings.Contains(name, ".adapter_") || strings.Contains(name, "_embed."); moved && !expert {
			t.Errorf("%s was trained", name)
		} else if !moved && strings.Contains(name, ".adapter_up.") {
			t.Errorf("%s was not trained", name)
		}
	}
	text = strings.ReplaceAll(text, "adaptable", "relu")
	if _, err := newEngine(t, Config{}).Run(t.Context(), checked(t, text), text); err == nil || !strings.Contains(err.Error(), "mark places in its fn with adaptable(x)") {
		t.Errorf("got %v, expected that there is no place", err)
	}
}

// A factor means in a run what it meant when the script was checked: six digits of a third are a third of any size that has one.
func TestOwnNetworkThatIsResized(t *testing.T) {
	const net = "fn small(x: image, box: mask) -> logits = sum(linear(resize(resize(x, 0.333333), 3), 1), over: channel)\nmodel net = custom_network(small, image: 1536 px)\nexpect net.params == 4\n"
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	if _, out := runAll(t, e, &events, "mseg 1\n"+net); !out.Expects[0].Holds {
		t.Error(out.Expects[0].Found)
	}
}

// What only the sizes of a run show is told with the name of the function.
func TestOwnNetworkFaults(t *testing.T) {
	for name, c := range map[string]struct{ fn, image, want string }{
		"cannot be halved":  {"fn small(x: image, box: mask) -> logits = sum(linear(resize(max_pool(x), 2), 1), over: channel)", "33 px", "max_pool halves height and width, found 33×33"},
		"cannot be strided": {"fn small(x: image, box: mask) -> logits = sum(resize(conv(x, 1, stride: 3), 3), over: channel)", "32 px", "a stride of 3 of a map of 32×32"},
		"no third of it":    {"fn small(x: image, box: mask) -> logits = sum(linear(resize(resize(x, 0.333333), 3), 1), over: channel)", "32 px", "resize(0.333333) of a height of 32 pixels gives no whole number"},
		"one name twice":    {`fn small(x: image, box: mask) -> logits = sum(linear(linear(x, 2, name: "a"), 1, name: "a"), over: channel)`, "32 px", `two different layers are named "a"`},
		"one scope twice":   {`fn small(x: image, box: mask) -> logits = sum(linear(linear(x, 3, name: "a.b"), 3, name: "a_b"), over: channel)`, "32 px", `two different layers are named "a`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Config{})
			text := "mseg 1\n" + c.fn + "\nmodel net = custom_network(small, image: " + c.image + ")\nexpect net.params > 0\n"
			if _, err := e.Run(t.Context(), checked(t, text), text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %q", err, c.want)
			}
		})
	}
}
