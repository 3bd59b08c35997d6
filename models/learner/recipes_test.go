package learner

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const voucherHead = "customernumber;date;title;domain;datecreated;numberitems;gift;deliverydatepromised;deliverydatereal;remi;cancel;w0;w1;w2;w3;w4;w5;w6;w7;w8;w9;w10;target90\n"

// What was ordered, sent back and cancelled becomes features of the order.
func TestReadVoucher2010DescribesOrders(t *testing.T) {
	d, labelled, err := ReadVoucher2010(strings.NewReader(voucherHead +
		"1;2008-12-01;0;3;2008-11-29;4;0;2008-12-04;0000-00-00;1;0;0;1;0;0;0;3;0;0;0;0;0;1\n" +
		"2;2008-12-02;0;3;2008-12-02;0;0;2008-12-04;2008-12-03;0;0;0;0;0;0;0;0;0;0;0;0;0;0\n"))
	if err != nil || !labelled {
		t.Fatalf("labelled %t: %v", labelled, err)
	}
	for name, want := range map[string][]float64{
		"datecreated": {-2, 0}, "articles": {4, 0}, "kinds": {2, 0}, "main kind": {5, 0}, "of main kind": {3, 0},
		"share of w1": {0.25, 0}, "share of w5": {0.75, 0}, "items beyond articles": {0, 0}, "items kept": {3, 0},
		"share returned": {0.25, 0}, "share cancelled": {0, 0},
	} {
		if got := d.numbersOf(name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if d.numbersOf("customernumber") != nil || d.numbersOf("domain") != nil {
		t.Error("what tells nothing is a feature")
	}
}

func TestReadVoucher2010NeedsCounts(t *testing.T) {
	_, _, err := ReadVoucher2010(strings.NewReader(voucherHead + "1;2008-12-01;0;3;2008-11-29;many;0;2008-12-04;0000-00-00;1;0;0;1;0;0;0;3;0;0;0;0;0;1\n"))
	if !errors.Is(err, ErrData) {
		t.Errorf("error is %v, want one of the data", err)
	}
}
