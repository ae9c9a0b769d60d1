#include "data/volumes/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/check.h"

namespace liere {
namespace {

constexpr int kSide = 224, kGap = 8, kCaption = 20, kColumns = 4;  // pixels of a tile
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;

using Vector = std::array<double, 3>;

/// A picture of the volume: grey values, the size of a pixel, where its right and its lower side point to in the patient.
struct View {
  cv::Mat grey;
  double row_mm = 1, column_mm = 1;
  Vector right{}, down{};
  std::string caption;
};

uint8_t windowed(int16_t hu, const ContactSheetOptions& options) {
  const double value = (hu - (options.level - options.width / 2)) / options.width;
  return static_cast<uint8_t>(std::lrint(255 * std::clamp(value, 0.0, 1.0)));
}

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

class Sheet {
 public:
  Sheet(const CtVolume& volume, const ContactSheetOptions& options) : volume_(volume), options_(options), shape_(volume.hu.shape()) {
    const auto& o = volume.orientation;
    row_ = {o[0], o[1], o[2]};
    column_ = {o[3], o[4], o[5]};
    normal_ = {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]};
  }

  Frames draw() {
    std::vector<View> views;
    const int64_t count = std::clamp<int64_t>(options_.slices, 1, shape_.frames);
    for (int64_t i = 0; i < count; ++i) views.push_back(slice(count == 1 ? shape_.frames / 2 : i * (shape_.frames - 1) / (count - 1)));
    views.push_back(reformat(true));
    views.push_back(reformat(false));
    const int rows = (static_cast<int>(views.size()) + kColumns - 1) / kColumns;
    Frames sheet(PixelType::kU8, {1, rows * (kSide + kCaption + kGap) + kGap, kColumns * (kSide + kGap) + kGap, 3});
    cv::Mat canvas(static_cast<int>(sheet.shape().height), static_cast<int>(sheet.shape().width), CV_8UC3, sheet.u8());
    canvas.setTo(cv::Scalar(64, 64, 64));
    for (size_t i = 0; i < views.size(); ++i) {
      const int top = kGap + static_cast<int>(i) / kColumns * (kSide + kCaption + kGap),
                left = kGap + static_cast<int>(i) % kColumns * (kSide + kGap);
      place(views[i], canvas, top, left);
    }
    return sheet;
  }

 private:
  uint8_t at(int64_t slice, int64_t y, int64_t x) const {
    return windowed(volume_.hu.i16()[(slice * shape_.height + y) * shape_.width + x], options_);
  }

  View slice(int64_t index) const {
    View view{cv::Mat(static_cast<int>(shape_.height), static_cast<int>(shape_.width), CV_8UC1), volume_.spacing_mm[1], volume_.spacing_mm[2], row_,
              column_};
    for (int64_t y = 0; y < shape_.height; ++y)
      for (int64_t x = 0; x < shape_.width; ++x) view.grey.at<uint8_t>(static_cast<int>(y), static_cast<int>(x)) = at(index, y, x);
    view.caption = "slice " + std::to_string(index + 1) + "/" + std::to_string(shape_.frames) +
                   text("  %+.1f mm", static_cast<double>(index) * volume_.spacing_mm[0]);
    return view;
  }

  /// The last slice on top: the middle row of every slice (coronal for axial slices), or the middle column (sagittal).
  View reformat(bool coronal) const {
    const int64_t across = coronal ? shape_.width : shape_.height;
    const Vector down = {-normal_[0], -normal_[1], -normal_[2]};
    View view{cv::Mat(static_cast<int>(shape_.frames), static_cast<int>(across), CV_8UC1), volume_.spacing_mm[0], volume_.spacing_mm[coronal ? 2 : 1],
              coronal ? row_ : column_, down};
    for (int64_t z = 0; z < shape_.frames; ++z)
      for (int64_t i = 0; i < across; ++i)
        view.grey.at<uint8_t>(static_cast<int>(shape_.frames - 1 - z), static_cast<int>(i)) =
            coronal ? at(z, shape_.height / 2, i) : at(z, i, shape_.width / 2);
    view.caption = coronal ? "middle row" : "middle column";
    return view;
  }

  void place(const View& view, cv::Mat& canvas, int top, int left) const {
    const double height_mm = view.grey.rows * view.row_mm, width_mm = view.grey.cols * view.column_mm, scale = kSide / std::max(height_mm, width_mm);
    const int height = std::max(1, static_cast<int>(std::lrint(height_mm * scale))),
              width = std::max(1, static_cast<int>(std::lrint(width_mm * scale)));
    cv::Mat grey, color;
    cv::resize(view.grey, grey, {width, height}, 0, 0, height < view.grey.rows && width < view.grey.cols ? cv::INTER_AREA : cv::INTER_LINEAR);
    cv::cvtColor(grey, color, cv::COLOR_GRAY2RGB);
    const cv::Rect tile(left, top, kSide, kSide), box(left + (kSide - width) / 2, top + (kSide - height) / 2, width, height);
    canvas(tile).setTo(cv::Scalar(0, 0, 0));
    color.copyTo(canvas(box));
    const cv::Scalar yellow(255, 220, 0);
    const auto mark = [&](const Vector& way, int sign, int x, int y) {
      const char letter[] = {direction_letter(sign * way[0], sign * way[1], sign * way[2]), 0};
      cv::putText(canvas, letter, {x, y}, kFont, 0.45, yellow, 1, cv::LINE_AA);
    };
    mark(view.right, -1, tile.x + 2, tile.y + kSide / 2);
    mark(view.right, 1, tile.x + kSide - 12, tile.y + kSide / 2);
    mark(view.down, -1, tile.x + kSide / 2 - 4, tile.y + 12);
    mark(view.down, 1, tile.x + kSide / 2 - 4, tile.y + kSide - 4);
    const int bar = static_cast<int>(std::lrint(50 * scale));  // 50 mm
    if (bar < kSide) {
      cv::line(canvas, {tile.x + 6, tile.y + kSide - 6}, {tile.x + 6 + bar, tile.y + kSide - 6}, yellow, 2);
      cv::putText(canvas, "50 mm", {tile.x + 6, tile.y + kSide - 11}, kFont, 0.35, yellow, 1, cv::LINE_AA);
    }
    cv::putText(canvas, view.caption, {left, top + kSide + 14}, kFont, 0.4, cv::Scalar(255, 255, 255), 1, cv::LINE_AA);
  }

  const CtVolume& volume_;
  const ContactSheetOptions& options_;
  FrameShape shape_;
  Vector row_, column_, normal_;
};

}  // namespace

char direction_letter(double x, double y, double z) {
  const double ax = std::abs(x), ay = std::abs(y), az = std::abs(z);
  if (ax >= ay && ax >= az) return x > 0 ? 'L' : 'R';
  if (ay >= az) return y > 0 ? 'P' : 'A';
  return z > 0 ? 'H' : 'F';
}

Frames contact_sheet(const CtVolume& volume, const ContactSheetOptions& options) {
  if (volume.hu.type() != PixelType::kI16 || volume.hu.shape().elements() == 0 ||
      *std::min_element(volume.spacing_mm.begin(), volume.spacing_mm.end()) <= 0 || options.width <= 0)
    throw DataError(
        "A contact sheet shows a volume of Hounsfield units (16 bits) with positive distances and a window of positive width; this is none.");
  return Sheet(volume, options).draw();
}

}  // namespace liere
