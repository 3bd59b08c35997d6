package models

// Tree is one decision tree in a flat form shared by native learners and
// readers of foreign formats. Node 0 is the root; a tree with no nodes is the
// constant Leaf[0]. Child references c >= 0 name a node, c < 0 the leaf ^c.
type Tree struct {
	Feature   []int32   // per node: the input it tests
	Threshold []float64 // per numeric node: x <= Threshold goes left
	Left      []int32   // per node
	Right     []int32   // per node
	// Flags per node: see the Node... constants.
	Flags []uint8
	// CatOffset and CatWords locate the category bit set of a categorical node
	// inside CatBits: category k goes left if bit k is set. Unknown and negative
	// categories go right.
	CatOffset []int32
	CatWords  []int32
	CatBits   []uint32
	Leaf      []float64 // per leaf: its value (Ensemble.Outputs values per leaf with VectorLeaves)
	Cover     []float64 // per node, then per leaf: training weight that passed; nil if unknown (needed by SHAP)
	// Linear holds, per leaf, the linear function of a piecewise linear tree; nil
	// for constant leaves. Leaf is then what a row with a missing input gets.
	Linear []LinearLeaf
}

// LinearLeaf is Const + sum of Coeffs[i]*x[Features[i]]. If one of its inputs is
// NaN or infinite, the leaf's constant Tree.Leaf is used in its place.
type LinearLeaf struct {
	Const    float64
	Features []int32
	Coeffs   []float64
}

// Node flags. Without a missing flag NaN is read as 0, as LightGBM's missing type None does.
const (
	NodeCategorical uint8 = 1 << iota // test membership in the bit set
	NodeMissingNaN                    // NaN is missing and goes the default way
	NodeMissingZero                   // NaN and |x| <= 1e-35 are missing and go the default way
	NodeDefaultLeft                   // missing goes left, else right
	NodeStrict                        // x < Threshold goes left, instead of <=; of a category: -1 < x < 0 is unknown, instead of 0
	NodeEqual                         // x == Threshold goes left, instead of <=
)

// Link maps a raw sum to a prediction.
type Link uint8

// The links.
const (
	LinkIdentity     Link = iota // raw
	LinkLogistic                 // 1/(1+exp(-Scale*raw))
	LinkExp                      // exp(raw)
	LinkSoftmax                  // over the outputs
	LinkSignedSquare             // sign(raw)*raw^2, of targets trained as square roots
	LinkHinge                    // 1 if raw > 0, else 0
	LinkArgmax                   // the index of the largest output, as the only prediction
	LinkSoftplus                 // log(1+exp(raw))
)

// Ensemble is a sum of trees with a link, e.g. one boosted model.
// Trees of K outputs are interleaved: tree t adds to output t mod Outputs,
// unless TreeOutput or VectorLeaves say otherwise.
type Ensemble struct {
	Features []Feature
	Trees    []Tree
	Outputs  int       // at least 1
	Base     []float64 // per output, the start of the raw sum; nil means 0
	Average  float64   // raw is multiplied by it before the link; 0 means 1 (random forests: 1/rounds)
	Link     Link
	Scale    float64 // of LinkLogistic; 0 means 1

	TreeOutput   []int32 // per tree: the output it adds to; nil means t mod Outputs
	VectorLeaves bool    // every tree adds to all outputs; leaf i has Leaf[i*Outputs:(i+1)*Outputs]
	Float32      bool    // inputs are rounded to float32 before they are tested
	Float32Sum   bool    // leaves are summed in float32, in tree order
}
