// Package watch runs a script and runs it again whenever it is saved, as far as the edit reaches.
//
// It is given a script and a way to hear of saves: events of the folder the script lies in (a watch on the file itself would die with the
// first editor that saves by renaming), or polling where a file system gives no events. A save is settled for a moment, a file that is missing or
// empty right then is read again, and a text that has been seen is no save at all. What counts then is not the text but the plan: if no stage,
// expectation or title differs, nothing happens.
//
// An edit during a run stops only what it makes useless. The stage that is running goes on as long as the new plan has it too, and what it
// gives is kept; otherwise it is stopped at its next step (a training writes its checkpoint). The rest of the old plan is given up either way.
// One engine serves all runs, so values that an edit does not touch stay in memory. Mistakes in the script are shown, and watching goes on.
//
// Only the script is watched. After a change of images or weights, `r` runs it again.
//
//	file.go   saves: events, polling, settling
//	plan.go   what a text means, and whether two texts mean the same
//	job.go    one run, and when it must stop
//	watch.go  the loop
package watch
