// Package sim is the simulated retailer: seeded, fast, and with known truth. It
// owns customers who buy, return and react to offers by documented formulas,
// and hands out their events in time order as a retailer's systems would.
//
// It refuses to know decisions, policies and models: the caller decides about
// each return and tells the customer by Respond; Truth then says what the offer
// really does, which no retailer knows.
//
// # Formulas
//
// A customer i has a base rate r of purchases per day, a price sensitivity s
// and a contact aversion g (both in [0, 1]). All three show in the history: r in
// frequency and recency, s in the share of discounted items (0.08 + 0.75 s; two
// customers in five have almost none) and in a taste for basics, g in many returns without a loyalty account:
// g = clamp((p - 0.25) / 0.20) for return propensity p of a non-member, 0 for members.
//
// The chance of an unprompted purchase on day d is
//
//	h(i, d) = min(0.9, r * season(d) * weekday(i, d) * drift(i, d) * rest(i, d) * contact(i, d))
//
// season: 1.45 from mid-November to Christmas, 0.8 in January and February, else
// 1; weekday: personal weights with mean 1; drift: a triangle wave between 0.4
// and 1.6 with a personal period of 90 to 270 days; rest: 0.5 for the three days
// after a purchase, after one with an incentive 0.6 for twenty days (purchases
// pulled forward); contact: exp(-1.2 g) for the 30 days after an offer.
//
// An offer adds one prompted purchase inside its validity with chance
//
//	q(i, offer) = min(0.9, appeal(i, offer) * s * (1 - g) * again)
//
// appeal: percent off 1.6 * percent; amount off or bonus credit 1.6 * amount /
// mean basket; BOGO 0.12; points 0.10 * (multiplier - 1) for members, else 0; free
// shipping 0.15 * share of online purchases; a message 0.02. again: 0.7 for each
// earlier offer in the last 30 days (wear-out). So with P0 the chance of a
// purchase within a window without the offer and P0' the same under contact,
// the chance with it is 1 - (1 - q)(1 - P0'), exactly. Sure things have a high P0,
// lost causes a low P0 and q, persuadables a high q, sleeping dogs a high g.
//
// Swindlers: a wardrober buys often, online, in several sizes, and returns 85 % of
// what is left (0.85 times the factors of category and channel); a looper has q =
// 0.85 for any offer, redeems it and returns 90 % of such items; a splitter is a
// looper with eight accounts, half of them declaring the same household.
//
// Every draw is a hash of seed, customer, purpose and day (for what is in a basket:
// number of the order), so that two runs that differ in the offers alone share the
// luck of every day.
package sim
