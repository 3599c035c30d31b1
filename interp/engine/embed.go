package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/train"
)

// While an image encoder is not trained, what it says of an image is computed once and kept: training a decoder then costs a small part of
// what it costs with the encoder in the loop, and evaluations of all models that share the encoder find the embeddings again. An embedding is
// kept for an image, not for a data set or a script, under the encoder's weights and what the encoder reads of the sample.

// embeddingVersion is raised when the numbers of an encoder change.
const embeddingVersion = 1

const embeddingFile = "embedding.npy"

// keepsEncoder says whether training leaves the encoder as it is and the encoder answers the same each time. Experts with dropout do not:
// it acts in training whether they are trained or not.
func (m *Model) keepsEncoder() (bool, error) {
	if m.Built == nil || m.Built.Halves == nil || m.Balance > 0 {
		return false, nil
	}
	if x := m.experts(); x != nil && (x.Dropout > 0 || m.drops) {
		return false, nil
	}
	trained, err := m.trainable()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(m.Built.Parameters, func(s graph.Spec) bool { return m.Built.Halves.OfEncoder(s.Name) && trained(s.Name) }), nil
}

// encoderKey is the identity of a model's encoder: its sizes and the values of its weights.
func (m *Model) encoderKey() (string, error) {
	if m.encoder != "" {
		return m.encoder, nil
	}
	params, err := m.Params()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	c := m.Built.Config
	fmt.Fprintf(h, "encoder v%d %s %d %d", embeddingVersion, m.Built.Architecture.Name, c.Image, c.Patch)
	if c.Experts != nil {
		x := *c.Experts // without what has only an address; Form stands for Block
		x.Block, x.Groups = nil, nil
		fmt.Fprintf(h, " %+v", x)
		if c.Experts.Groups != nil {
			fmt.Fprintf(h, " %+v", *c.Experts.Groups)
		}
	}
	fmt.Fprintf(h, " %s", graph.Digest(params, m.Built.Halves.OfEncoder))
	m.encoder = hex.EncodeToString(h.Sum(nil))
	return m.encoder, nil
}

// embeddingKey is the identity of what an encoder says of a sample.
func embeddingKey(m *Model, backend string, s data.Sample, rows [5]int32) (string, error) {
	encoder, err := m.encoderKey()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "embedding %s %s %d %d %d ", encoder, backend, s.Width, s.Height, s.Channels)
	if m.experts() != nil {
		fmt.Fprintf(h, "%v ", rows)
	}
	h.Write(s.Image)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// trainingRun is what a training works on: the network and images, or its second half and embeddings.
type trainingRun struct {
	network graph.Network
	samples train.Source
	cfg     train.Config
}

// trainingSources chooses embeddings where the encoder is left alone and images do not change.
func (j *Job) trainingSources(ctx context.Context, b *graph.Backend, m *Model, samples *examples, cfg train.Config) (trainingRun, error) {
	whole := trainingRun{m.Built.Network, samples, cfg}
	keeps, err := m.keepsEncoder()
	if err != nil || !keeps || cfg.Augment != (train.Augment{}) {
		return whole, err
	}
	half := trainingRun{network: m.Built.Halves.Second, cfg: cfg}
	half.cfg.Input = m.Built.Halves.Input
	if half.samples, _, err = j.embed(ctx, b, m, samples, samples, false); err != nil {
		return whole, err
	}
	if validation, ok := cfg.Validation.(*examples); ok {
		if half.cfg.Validation, _, err = j.embed(ctx, b, m, validation, validation, false); err != nil {
			return whole, err
		}
	}
	j.noteOnce("the image encoder is not trained: its embeddings are kept and read again")
	return half, nil
}

// predictor reads embeddings where all of them are in the store, where the model was made by training on them, so that others like it
// will be evaluated, or where answers are refined, which asks for each of them several times; elsewhere it runs the whole network.
func (j *Job) predictor(ctx context.Context, b *graph.Backend, m *Model, x *examples, source train.Source, c train.PredictorConfig) (*train.Predictor, train.Source, error) {
	c.Size, c.Height, c.MaskSide = m.Built.Config.Image, m.Built.Config.Height, m.Built.MaskSide
	if h := m.Built.Halves; h != nil {
		keeps, err := m.keepsEncoder()
		if err != nil {
			return nil, nil, err
		}
		from, ready, err := j.embed(ctx, b, m, x, source, !(keeps && len(m.History) > 0 || c.Refine.Rounds > 0))
		if err != nil {
			return nil, nil, err
		}
		if ready {
			c.Input = h.Input
			p, err := train.NewPromptedPredictor(b, h.Second, c)
			return p, from, err
		}
	}
	p, err := train.NewPromptedPredictor(b, m.Built.Network, c)
	return p, source, err
}

// embedded gives a source's samples with their embeddings in the place of the image.
type embedded struct {
	train.Source
	halves *models.Halves
	files  []string  // of each sample
	pixels []float32 // scratch for the image, where the second half does not look at it
}

// Fill reads a sample and its embedding.
func (x *embedded) Fill(i int, rng *rand.Rand, into *train.Example) error {
	whole := into.Image
	picture := whole[x.halves.Kept:]
	if !x.halves.Pixels() {
		picture = x.pixels
	}
	into.Image = picture
	err := x.Source.Fill(i, rng, into)
	into.Image = whole
	if err != nil {
		return err
	}
	a, err := image.ReadNPY(x.files[i])
	if err != nil {
		return err
	}
	if a.Len() != x.halves.Kept {
		return fmt.Errorf("%s holds %d values, expected the %d of an embedding", x.files[i], a.Len(), x.halves.Kept)
	}
	copy(whole, a.Float32())
	return nil
}

// embed returns a source of embeddings for the samples of x as source gives them. Those that are not in the store yet are computed; with
// onlyReady nothing is, and ready is false when one is missing.
func (j *Job) embed(ctx context.Context, b *graph.Backend, m *Model, x *examples, source train.Source, onlyReady bool) (out *embedded, ready bool, err error) {
	side := m.Built.Config.Image
	out = &embedded{Source: source, halves: m.Built.Halves, files: make([]string, x.Len()), pixels: make([]float32, side*side*3)}
	keys := make([]string, x.Len())
	var missing []int
	queued := map[string]bool{} // samples of one image share its embedding
	for i, s := range x.samples {
		if keys[i], err = embeddingKey(m, b.Name(), s, x.rows[i]); err != nil {
			return nil, false, err
		}
		path, err := j.readyEmbedding(keys[i])
		if err != nil {
			return nil, false, err
		}
		if out.files[i] = path; path == "" && !queued[keys[i]] {
			if onlyReady {
				return nil, false, nil
			}
			queued[keys[i]] = true
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		if err := j.computeEmbeddings(ctx, b, m, x, missing, keys); err != nil {
			return nil, false, err
		}
		for i := range out.files {
			if out.files[i] == "" {
				if out.files[i], err = j.readyEmbedding(keys[i]); err != nil {
					return nil, false, err
				}
			}
		}
	}
	return out, true, nil
}

// readyEmbedding is the file of an embedding, checked; "" when there is none or it is damaged.
func (j *Job) readyEmbedding(key string) (string, error) {
	if !j.store.Has(key) {
		return "", nil
	}
	a, err := j.store.Get(key)
	if errors.Is(err, store.ErrDamaged) {
		return "", j.store.Remove(key)
	}
	if err != nil {
		return "", err
	}
	return a.Path(embeddingFile), nil
}

// computeEmbeddings runs the encoder on the given samples and keeps what it says, each as soon as it is there, so that an interrupted run
// loses one batch at most.
func (j *Job) computeEmbeddings(ctx context.Context, b *graph.Backend, m *Model, x *examples, samples []int, keys []string) error {
	const most = 4 // a batch gains little on a CPU
	batch, side, halves := min(most, len(samples)), m.Built.Config.Image, m.Built.Halves
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "encoding"}, models.InputShapes(batch, side), func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		return []*graph.Node{halves.First(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})}
	})
	if err != nil {
		return err
	}
	defer p.Free()
	params, err := m.placed(b)
	if err != nil {
		return err
	}
	defer params.Free()
	pixels := side * side * 3
	images, boxes := make([]float32, batch*pixels), make([]float32, batch*4)
	modality, organ := make([]int32, batch), make([]int32, batch*4)
	e := train.Example{Target: make([]uint8, side*side)}
	for start := 0; start < len(samples); start += batch {
		some := samples[start:min(start+batch, len(samples))]
		for k, i := range some {
			e.Image = images[k*pixels : (k+1)*pixels]
			if err := x.Fill(i, nil, &e); err != nil {
				return err
			}
			modality[k] = e.Modality
			copy(organ[k*4:], e.Organ[:])
		}
		r, err := p.Call(ctx, params, 0, graph.Floats(images, batch, side, side, 3), graph.Floats(boxes, batch, 4), graph.Ints(modality, batch), graph.Ints(organ, batch, 4))
		if err != nil {
			return err
		}
		for k, i := range some {
			if err := j.keepEmbedding(keys[i], r.Outputs[0].Data[k*halves.Kept:][:halves.Kept]); err != nil {
				return err
			}
		}
		j.event(Event{Kind: "progress", Done: start + len(some), Total: len(samples), Unit: "images", Text: "embeddings"})
	}
	return nil
}

func (j *Job) keepEmbedding(key string, values []float32) error {
	w, err := j.store.Create()
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := image.WriteNPY(w.Path(embeddingFile), image.NewArray(values, len(values))); err != nil {
		return err
	}
	_, err = w.Commit(store.Meta{Key: key, Op: "embedding", Canonical: "what an image encoder says of an image"})
	return err
}
