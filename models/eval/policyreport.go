package eval

import "fmt"

// PolicyInput is what a model would have given to the rows of an experiment.
type PolicyInput struct {
	Model   string
	Outcome string
	Arms    Arms
	Choice  []int   // per row: the arm the model's policy gives
	Margin  float64 // see Guarded
	Switch  float64 // lambda of switch-DR; 0 means 10
}

// PolicyReport is the value of a model's policy and of every single arm.
type PolicyReport struct {
	Model      string        `json:"model"`
	Outcome    string        `json:"outcome"`
	Unit       string        `json:"unit"`
	Rows       int           `json:"rows"`
	Customers  int           `json:"customers"`
	Estimators []string      `json:"estimators"`
	Policies   []PolicyEntry `json:"policies"` // the model's first, then one per arm
	Guard      Guard         `json:"guard"`
}

// PolicyEntry is one policy and its value by each estimator of the report.
type PolicyEntry struct {
	Name    string     `json:"name"`
	Values  []Interval `json:"values"`
	Support Support    `json:"support"`
}

// EvaluatePolicy judges a model's policy beside every single arm by IPS and
// SNIPS and, where the arms carry predicted outcomes, DM, DR and switch-DR.
func EvaluatePolicy(in PolicyInput, b Bootstrap) (PolicyReport, error) {
	r, err := in.evaluate(b)
	if err != nil {
		return PolicyReport{}, fmt.Errorf("evaluate policy of %q: %w", in.Model, err)
	}
	return r, nil
}

func (in PolicyInput) evaluate(b Bootstrap) (PolicyReport, error) {
	guard, err := Guarded(in.Arms, in.Choice, in.Margin, b)
	if err != nil {
		return PolicyReport{}, err
	}
	n := len(in.Arms.Outcome)
	r := PolicyReport{
		Model: in.Model, Outcome: in.Outcome, Unit: in.Arms.Unit, Guard: guard,
		Rows: n, Customers: dense(in.Arms.Cluster, n).n,
	}
	estimators := in.estimators()
	for _, e := range estimators {
		r.Estimators = append(r.Estimators, e.String())
	}
	model, err := in.Arms.Under(in.Choice)
	if err != nil {
		return PolicyReport{}, err
	}
	if err := r.add(in.Model, model, estimators, b); err != nil {
		return PolicyReport{}, err
	}
	for k, name := range in.Arms.Names {
		single, err := in.Arms.Everybody(k)
		if err != nil {
			return PolicyReport{}, err
		}
		if err := r.add("everybody: "+name, single, estimators, b); err != nil {
			return PolicyReport{}, err
		}
	}
	return r, nil
}

func (in PolicyInput) estimators() []Estimator {
	es := []Estimator{{Kind: IPS}, {Kind: SNIPS}}
	if in.Arms.Mu == nil {
		return es
	}
	lambda := in.Switch
	if lambda == 0 {
		lambda = 10
	}
	return append(es, Estimator{Kind: DM}, Estimator{Kind: DR}, Estimator{Kind: SwitchDR, Lambda: lambda})
}

func (r *PolicyReport) add(name string, l Logged, es []Estimator, b Bootstrap) error {
	values, err := PolicyValues(l, es, b)
	if err != nil {
		return fmt.Errorf("policy %q: %w", name, err)
	}
	support, err := Supported(l)
	if err != nil {
		return fmt.Errorf("policy %q: %w", name, err)
	}
	r.Policies = append(r.Policies, PolicyEntry{Name: name, Values: values, Support: support})
	return nil
}
