// Package cpu tells the processor time of this process, so that other programs
// on the machine count less in a measurement than they would by the clock.
package cpu
