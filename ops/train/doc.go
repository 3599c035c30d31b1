// Package train fits a segmentation network to examples and runs it on them.
//
// It is given a network ([graph.Network]), its parameters, and a [Source] that
// fills in one example at a time: an image of fixed size, the target mask, the
// box prompt and the rows of the embedding tables. [Run] shuffles, jitters the
// box, augments, assembles batches, and calls one compiled step for each; the
// last batch of an epoch is filled up with samples of weight zero, so that one
// shape is compiled and the loss is the mean over the real samples.
//
// A step changes the parameters once. It may be made of several batches
// ([Config.Accumulate]), its gradient be bounded, parts of the network have
// rates of their own or no weight decay, and a moving average of the parameters
// be kept beside them and judged in their place. Products may be computed in
// half precision, and activations twice instead of being kept. What is not asked
// for costs nothing and changes no number.
//
// It promises:
//
//   - Everything random is drawn on the host, from a stream decided by a seed, a
//     purpose, and the epoch and sample it is for. So the same configuration
//     gives the same examples on every backend, and on the same backend the
//     same numbers; changing one seed changes nothing the others decide.
//   - A checkpoint holds the trained parameters, what the optimiser remembers,
//     average, loss scale and counters, and a run
//     continued from it ends with the same bits as one that was never stopped.
//     Checkpoints replace each other atomically; an interrupted run leaves one
//     of the step at which it stopped.
//   - A loss that is not a number stops the run before it reaches the
//     parameters, and the error names the samples of the batch.
//   - Nothing a failed step may have half done is kept.
//
// [Predictor] is the same network without the loss: batched inference with one
// compiled shape, whose masks, predicted quality and expert gates come back as
// host arrays.
package train
