// What a request means for a still picture: which rows and columns, and that no other frame than the one there is asked for.
#pragma once

#include "data/dataset.h"

namespace liere {

/// The box to decode, the whole picture when the request names none. Throws DataError naming the sample when the box is empty or leaves the picture,
/// or when a frame other than 0 is asked for.
Box picture_box(const SourceInfo& info, const Request& request);

/// Throws DataError naming the data set when there is no such sample.
void check_index(int64_t index, int64_t size, const std::string& dataset);

}  // namespace liere
