package profile

import "math"

// AbuseFormula says how customer.abuse_score is computed.
const AbuseFormula = "1 - (1-V)(1-B)(1-L)(1-R) of four signs, this return included: " +
	"V = 0.70 * clamp((refunds/max(paid, refunds) over 365 d - 0.35) / 0.45) * min(1, returns_365d/5), returned value; " +
	"B = 0.75 * clamp(size brackets mostly returned / (purchases + 2) over 365 d / 0.40), bracketing; " +
	"L = 0.85 * (1 - 2^-(incentivised items returned over 365 d - 1)) from the second on, incentive loops; " +
	"R = 0.60 * clamp((returns_30d - 3) / 5), velocity"

// abuseScore is in [0, 1]; AbuseFormula documents it. A first return of an item
// bought with an incentive happens to honest customers and does not count.
func (u *sums) abuseScore() float64 {
	year, month := &u.windows[w365], &u.windows[w30]
	kept := 1.0
	if refund := year.money[mRefund]; refund > 0 {
		share := refund / max(year.money[mPaid], refund)
		evidence := min(1, year.n[nReturns]/5)
		kept *= 1 - 0.70*clamp((share-0.35)/0.45)*evidence
	}
	kept *= 1 - 0.75*clamp(year.n[nBracketed]/(year.n[nBuys]+2)/0.40)
	kept *= 1 - 0.85*(1-math.Exp2(-max(year.n[nLoops]-1, 0)))
	kept *= 1 - 0.60*clamp((month.n[nReturns]-3)/5)
	return 1 - kept
}

func clamp(x float64) float64 { return min(max(x, 0), 1) }
