package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// The service config of grpc, as JSON: https://github.com/grpc/grpc/blob/master/doc/service_config.md
type serviceConfig struct {
	MethodConfig    []methodConfig  `json:"methodConfig"`
	RetryThrottling retryThrottling `json:"retryThrottling"`
}

type methodConfig struct {
	Name        []methodName `json:"name"`
	Timeout     string       `json:"timeout"`
	RetryPolicy *retryPolicy `json:"retryPolicy,omitempty"`
}

type methodName struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

type retryPolicy struct {
	MaxAttempts          int      `json:"maxAttempts"`
	InitialBackoff       string   `json:"initialBackoff"`
	MaxBackoff           string   `json:"maxBackoff"`
	BackoffMultiplier    float64  `json:"backoffMultiplier"`
	RetryableStatusCodes []string `json:"retryableStatusCodes"`
}

// retryThrottling stops retries while most calls fail: then they only add load.
type retryThrottling struct {
	MaxTokens  int     `json:"maxTokens"`
	TokenRatio float64 `json:"tokenRatio"`
}

// unaryMethods lists every unary method but Decide, by service. Streams get neither deadline nor retry.
var unaryMethods = []struct {
	service string
	methods []string
}{
	{"DecisionService", []string{"BatchDecide", "GetDecision"}},
	{"EventService", []string{"RecordEvents"}},
	{"ProfileService", []string{"GetProfile", "PutProfiles", "EraseProfile"}},
	{"JournalService", []string{"QueryDecisions"}},
	{"PolicyService", []string{"ValidateBundle", "ActivateBundle", "RollbackBundle", "GetEffectivePolicy"}},
	{"BudgetService", []string{"ListBudgets", "GetBudget"}},
	{"ModelService", []string{"ListModels", "GetModel", "RollbackModel", "GetModelDrift"}},
}

func (s *settings) serviceConfig() string {
	var rest []methodName
	for _, u := range unaryMethods {
		for _, m := range u.methods {
			rest = append(rest, methodName{"rebound.v1." + u.service, m})
		}
	}
	b, err := json.Marshal(serviceConfig{
		MethodConfig: []methodConfig{
			{Name: []methodName{{"rebound.v1.DecisionService", "Decide"}}, Timeout: seconds(s.decideTimeout), RetryPolicy: s.retry(5 * time.Millisecond)},
			{Name: rest, Timeout: seconds(s.timeout), RetryPolicy: s.retry(50 * time.Millisecond)},
		},
		RetryThrottling: retryThrottling{MaxTokens: 100, TokenRatio: 0.1},
	})
	if err != nil {
		panic("client: service config: " + err.Error()) // plain strings and numbers always marshal
	}
	return string(b)
}

func (s *settings) retry(first time.Duration) *retryPolicy {
	if s.attempts == 1 {
		return nil
	}
	return &retryPolicy{
		MaxAttempts: s.attempts, InitialBackoff: seconds(first), MaxBackoff: seconds(20 * first), BackoffMultiplier: 2,
		RetryableStatusCodes: []string{"UNAVAILABLE"},
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.9fs", d.Seconds()) }
