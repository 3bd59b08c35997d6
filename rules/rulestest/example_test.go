package rulestest_test

import (
	"fmt"

	"github.com/rebound-engine/rebound/rules/rulestest"
)

// A report knows its coverage and can be printed or written as JUnit.
func ExampleReport_Text() {
	report := rulestest.Report{Suites: []rulestest.SuiteResult{{Path: "tests/a_test.yaml", Name: "basics", Cases: []rulestest.CaseResult{{Name: "a sure thing is never paid"}}}}}
	fmt.Print(report.Text())
	// Output:
	// basics (tests/a_test.yaml)
	//   ok   a sure thing is never paid
	// 1 cases, 0 failed
}
