package diag

import "fmt"

// Counted is a number with what it counts, as messages say it: 1 case, 3 cases.
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Holding is how many expectations hold, as messages say it: 1 holds, 3 hold.
func Holding(n int) string {
	if n == 1 {
		return "1 holds"
	}
	return fmt.Sprintf("%d hold", n)
}
