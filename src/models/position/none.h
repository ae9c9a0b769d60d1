// No position information at all: the control of every comparison. Attention is then invariant to the order of the patches.
#pragma once

#include "models/position_encoding.h"

namespace liere {

class NoPosition : public PositionEncoding {};

}  // namespace liere
