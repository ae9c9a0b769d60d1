#include "data/datasets/picture_request.h"

#include "core/check.h"

namespace liere {

Box picture_box(const SourceInfo& info, const Request& request) {
  const auto& shape = info.shape;
  if (!request.frames.empty() && request.frames != std::vector<int64_t>{0})
    throw DataError(info.name + ": a picture has only frame 0, but others were requested.");
  const Box box = request.box.value_or(Box{0, 0, shape.height, shape.width});
  const bool inside =
      box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && box.height <= shape.height - box.top && box.width <= shape.width - box.left;
  if (!inside)
    throw DataError(info.name + ": requested the box of " + std::to_string(box.height) + "x" + std::to_string(box.width) + " pixels at row " +
                    std::to_string(box.top) + ", column " + std::to_string(box.left) + ", expected one inside the picture of " +
                    std::to_string(shape.height) + "x" + std::to_string(shape.width) + ".");
  return box;
}

void check_index(int64_t index, int64_t size, const std::string& dataset) {
  if (index < 0 || index >= size)
    throw DataError(dataset + " has the samples 0.." + std::to_string(size - 1) + ", but sample " + std::to_string(index) + " was requested.");
}

}  // namespace liere
