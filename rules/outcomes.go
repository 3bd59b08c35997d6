package rules

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Channels and Phases of a return, as policies name them.
var (
	channelNames = []string{"STORE", "MAIL", "BORIS", "BOPIS", "CURBSIDE", "LOCKER", "THIRD_PARTY"}
	phaseNames   = []string{"STARTED", "AUTHORIZED", "REFUNDED", "AFTER"}
)

// outcomes reads the section and the models that predict them; basket comes last.
func (l *loader) outcomes(d *document, offers []string) []Outcome {
	models, ok := l.openMap(d.spec.get("models"), "models", nil)
	section, ok2 := l.openMap(d.spec.get("outcomes"), "outcomes", nil)
	if !ok || !ok2 {
		return nil
	}
	var out []Outcome
	for _, name := range section.keys {
		if !l.checkName(section.name[name], "the outcome") {
			continue
		}
		o := l.outcome(d, section.name[name], section.get(name))
		if !models.has(name) {
			l.add("RB3010", section.name[name], "the outcome %q has no model", name).expected("an entry models." + name).near(nearest(name, models.keys))
			o.Model = ModelPrior
		} else {
			l.model(&o, models.get(name), section.keys, offers)
		}
		out = append(out, o)
	}
	for _, name := range models.keys {
		if name == "basket" {
			out = append(out, l.basket(d, models))
		} else if !section.has(name) {
			l.add("RB3010", models.name[name], "the model %q predicts no declared outcome", name).
				expected("one of " + strings.Join(append(slices.Clone(section.keys), "basket"), ", ")).near(nearest(name, section.keys))
		}
	}
	if !models.has("basket") {
		l.add("RB3010", models.at, "models lacks basket").expected("basket: {from: profile}")
	}
	return out
}

func (l *loader) outcome(d *document, key, n node) Outcome {
	o := Outcome{Name: key.Value, Unit: "probability", Source: d.at(key)}
	m, ok := l.openMap(n, "outcome "+key.Value, []string{"event", "channel", "window", "from", "to", "unit"})
	if !ok || !m.require("event") {
		return o
	}
	o.Event = m.id("event")
	o.Channel = m.enum("channel", "", channelNames...)
	o.Unit = m.enum("unit", "probability", "probability", "money")
	switch {
	case m.has("window") && (m.has("from") || m.has("to")):
		l.add("RB1011", m.name["window"], "%s has both window and from/to", m.what).expected("window, or from and to")
	case m.has("window") && m.get("window").Value == "validity":
		o.To = -1
	case m.has("window"):
		o.To = m.duration("window", time.Hour)
	case m.has("to"):
		o.From, o.To = m.duration("from", 0), m.duration("to", time.Hour)
		if o.From >= o.To {
			l.add("RB1011", m.get("to"), "%s ends before it starts", m.what).expected("from < to")
		}
	default:
		l.add("RB1010", m.at, "%s lacks its window", m.what).expected("window: 30d, window: validity, or from and to")
	}
	return o
}

func (l *loader) model(o *Outcome, n node, outcomes, offers []string) {
	m, ok := l.openMap(n, "model "+o.Name, []string{"without", "prior", "file", "of"})
	if !ok {
		return
	}
	switch {
	case m.has("of"):
		o.Model, o.Of = ModelAlias, m.text("of")
		if !slices.Contains(outcomes, o.Of) || o.Of == o.Name {
			l.add("RB3007", m.get("of"), "%s refers to the outcome %q", m.what, o.Of).expected("another declared outcome").near(nearest(o.Of, outcomes))
		}
	case m.has("file"):
		o.Model, o.File = ModelFile, l.bundleFile(m)
	case m.has("without"):
		l.prior(o, m, offers)
	default:
		l.add("RB1010", m.at, "%s says neither without, file nor of", m.what).expected("without: 0.35, file: models/x.rbm or of: purchase")
	}
	if len(m.keys) > 1 && (o.Model == ModelAlias || o.Model == ModelFile) {
		l.add("RB1011", m.at, "%s mixes kinds of models", m.what).expected("of alone, file alone, or without and prior")
	}
}

// bundleFile reads file: and demands that the bundle holds it.
func (l *loader) bundleFile(m *mapping) string {
	path := m.text("file")
	if _, ok := l.files[path]; !ok && path != "" {
		l.add("RB3014", m.get("file"), "the bundle has no file %q", path).expected("a path from the bundle's root").
			near(nearest(path, slices.Sorted(maps.Keys(l.files))))
	}
	return path
}

func (l *loader) prior(o *Outcome, m *mapping, offers []string) {
	o.Model, o.Prior = ModelPrior, map[string]Lift{}
	limit := 1e12
	if o.Unit == "probability" {
		limit = 1
	}
	if w := m.get("without"); w.Kind == yaml.MappingNode {
		if file, ok := l.openMap(w, m.what+".without", []string{"file"}); ok && file.require("file") {
			o.File = l.bundleFile(file)
		}
	} else {
		o.Without = m.number("without", 0, min(0, 1-limit), limit)
	}
	if !m.has("prior") {
		return
	}
	lifts, ok := l.openMap(m.get("prior"), m.what+".prior", nil)
	if !ok {
		return
	}
	for _, offer := range lifts.keys {
		if !slices.Contains(offers, offer) {
			l.add("RB3007", lifts.name[offer], "there is no offer %q", offer).expected("one of " + strings.Join(offers, ", ")).near(nearest(offer, offers))
			continue
		}
		lift, ok := l.openMap(lifts.get(offer), "lift of "+offer, []string{"lift", "sd"})
		if ok && lift.require("lift") {
			o.Prior[offer] = Lift{Mean: lift.number("lift", 0, -limit, limit), SD: lift.number("sd", 0, 0, limit)}
		}
	}
}

func (l *loader) basket(d *document, models *mapping) Outcome {
	o := Outcome{Name: "basket", Unit: "money", Model: ModelProfile, Source: d.at(models.name["basket"])}
	if m, ok := l.openMap(models.get("basket"), "model basket", []string{"from"}); ok && m.require("from") {
		m.enum("from", "profile", "profile")
	}
	return o
}
