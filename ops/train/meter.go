package train

import "time"

// meter compares what the device computed with the time that went by. What it
// computed is known from the host: the time from handing over a step until its
// loss is there. Between two steps the device waits: for the next batch, if it is
// not ready, and for what the host does with the results.
type meter struct {
	since  time.Time
	device time.Duration
	images int
}

func (m *meter) start() { *m = meter{since: time.Now()} }

func (m *meter) add(device time.Duration, images int) {
	m.device += device
	m.images += images
}

// lap adds and starts anew: the part of the time that the device computed, 0 to
// 1, and images a second.
func (m *meter) lap(device time.Duration, images int) (busy, perSecond float64) {
	m.add(device, images)
	past := time.Since(m.since)
	if past > 0 {
		busy, perSecond = min(1, m.device.Seconds()/past.Seconds()), float64(m.images)/past.Seconds()
	}
	m.start()
	return busy, perSecond
}
