package currency

import "strings"

// The active codes of ISO 4217 (list one) by number of decimals. Codes without
// a minor unit (metals, funds of account, XTS, XXX) are left out: nothing is sold in them.
const (
	decimals0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "
	decimals3 = "BHD IQD JOD KWD LYD OMR TND "
	decimals4 = "CLF UYW "
	decimals2 = "USD EUR GBP CAD AUD CHF SEK NOK DKK PLN CZK HUF CNY INR MXN BRL ZAR NZD SGD HKD " +
		"AED AFN ALL AMD ANG AOA ARS AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BSD BTN BWP BYN BZD " +
		"CDF CHE CHW COP COU CRC CUP CVE DOP DZD EGP ERN ETB FJD FKP GEL GHS GIP GMD GTQ GYD " +
		"HNL HTG IDR ILS IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK " +
		"MNT MOP MRU MUR MVR MWK MXV MYR MZN NAD NGN NIO NPR PAB PEN PGK PHP PKR QAR RON RSD RUB " +
		"SAR SBD SCR SDG SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH " +
		"USN UYU UZS VED VES WST XCD XCG YER ZMW ZWG "
)

func exponent(code string) (int, bool) {
	switch {
	case listed(decimals2, code):
		return 2, true
	case listed(decimals0, code):
		return 0, true
	case listed(decimals3, code):
		return 3, true
	case listed(decimals4, code):
		return 4, true
	}
	return 0, false
}

// listed reports whether a three-letter code stands in a list of codes of four bytes each.
func listed(list, code string) bool {
	i := strings.Index(list, code)
	return i >= 0 && i%4 == 0
}
