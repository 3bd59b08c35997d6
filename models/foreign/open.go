package foreign

import (
	"bytes"
	"fmt"
	"math"
	"path"
	"strings"
)

// Open reads a model. The name serves error messages and, by its extension,
// helps to tell the format; the content decides. It keeps nothing of data.
func Open(name string, data []byte) (*Model, error) {
	m, err := open(name, data)
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", path.Base(name), err)
	}
	m.indexLevels()
	return m, nil
}

func open(name string, data []byte) (*Model, error) {
	if int64(len(data)) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: file of %d bytes, the limit is 2 GiB", ErrUnsupported, len(data))
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	ext := strings.ToLower(path.Ext(name))
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%w: file is empty", ErrCorrupt)
	case ext == ".cbm" || bytes.HasPrefix(data, []byte("CBM1")):
		return nil, fmt.Errorf("%w: CatBoost binary files are not read; save the model as JSON: model.save_model(\"model.json\", format=\"json\", pool=pool)", ErrUnsupported)
	case bytes.HasPrefix(text, []byte("tree\n")) || bytes.HasPrefix(text, []byte("tree\r\n")):
		return readLightGBM(text)
	case isUBJSON(data):
		return readXGBoostUBJSON(data)
	case text[0] == '{':
		return openJSON(text)
	case bytes.HasPrefix(data, []byte("binf")) || bytes.HasPrefix(data, []byte("bs64")):
		return nil, fmt.Errorf("%w: the old binary format of XGBoost; save the model as .json or .ubj", ErrUnsupported)
	case ext == ".onnx" || ext == ".pb" || text[0] == 0x08:
		return readONNX(data)
	default:
		return nil, fmt.Errorf("%w: neither LightGBM text, XGBoost JSON or UBJSON, CatBoost JSON nor ONNX", ErrUnsupported)
	}
}

func openJSON(data []byte) (*Model, error) {
	if err := checkNesting(data); err != nil {
		return nil, err
	}
	keys, err := topLevelKeys(data)
	if err != nil {
		return nil, err
	}
	switch {
	case keys["learner"]:
		return readXGBoostJSON(data, XGBoostJSON)
	case keys["tree_info"]:
		return readLightGBMJSON(data)
	case keys["oblivious_trees"] || keys["trees"] || keys["features_info"]:
		return readCatBoost(data)
	default:
		return nil, fmt.Errorf("%w: JSON without \"learner\" (XGBoost), \"tree_info\" (LightGBM) or \"features_info\" (CatBoost)", ErrUnsupported)
	}
}
