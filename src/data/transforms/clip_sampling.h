// Which frames of a video are a clip (the release's videodataset.py), and which windows of a frame evaluation sees. N frames, clip of L frames at rate r.
//   train, released  N <= L r: linspace(0, N, min(L, N / r)), then N repeated, cut to N - 1. N > L r: end ~ U{L r .. N - 1}, linspace(end - L r, end, L), cut to
//                    end - 1; both ends are in it, so that the stride is L r / (L - 1), and frame N - 1 is never drawn
//   train, stride    start ~ U{0 .. N - 1 - (L - 1) r}, every r-th frame from there; of a shorter video from 0 on, the last frame repeated
//   eval             frames 0, r, 2 r, ..; T = ceil(N / r) of them, at least L by repeating the last; segment k begins at trunc(k (T - L) / (segments - 1)) of these
// Positions are cut towards zero. One segment or one crop is the central one.
#pragma once

#include <vector>

#include "core/rng.h"
#include "data/augment_config.h"
#include "data/transforms/resize.h"

namespace liere {

/// L frames of a video of `frames` >= 1. Draws one integer where there is a choice (N > L r, or N > (L - 1) r + 1), else nothing.
std::vector<int64_t> draw_clip(const ClipSamplingConfig& config, int64_t frames, int64_t length, Rng& rng);

/// The frames of segment 0 .. config.segments - 1.
std::vector<int64_t> segment_frames(const ClipSamplingConfig& config, int64_t frames, int64_t length, int64_t segment);

/// Window 0 .. crops - 1 of side x side along the longer side of a frame whose short side is `side` (down the rows of a square one), from trunc(k (long - side) /
/// (crops - 1)) on.
Box crop_along(PictureSize resized, int64_t side, int64_t crops, int64_t crop);

}  // namespace liere
