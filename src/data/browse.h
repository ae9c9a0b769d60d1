// A contact sheet: samples in a grid, each with its caption below, magnified so that a person sees the pixels of a 32 x 32 picture.
#pragma once

#include <string>
#include <vector>

#include "data/recipe.h"

namespace liere {

/// `samples`: u8, 1 or 3 channels, any sizes (of a clip the middle frame is shown); one caption each, `columns` a row. Each pixel becomes scale x
/// scale pixels. Returns RGB [1, H, W, 3]. Throws DataError when there is nothing to show or a sample is of another kind.
Frames contact_sheet(const std::vector<Frames>& samples, const std::vector<std::string>& captions, int64_t columns, int64_t scale);

/// The magnification that makes the larger side of a picture at least `pixels` long.
int64_t magnification(const FrameShape& shape, int64_t pixels = 160);

/// The frames of a clip side by side, each at most `side` pixels a side, [1, H, W, C]. u8.
Frames film_strip(const Frames& clip, int64_t side = 160);

/// Samples first .. first + count - 1 (as far as there are any) with their class names, eight a row, photographs with more than 256 pixels a side shrunk: as
/// stored, or with a recipe as the model sees them in the first epoch of a run with this seed (before the normalisation). A video is a row of its own with the
/// numbers of its frames: eight evenly spread ones as stored, the clip's with a recipe. Throws ConfigError when `first` is none of them.
Frames contact_sheet(const Dataset& dataset, int64_t first, int64_t count, const Recipe* recipe = nullptr, uint64_t seed = 0);

}  // namespace liere
