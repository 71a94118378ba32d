// Who may use DEBUG.
#pragma once

namespace number_dispenser {

enum class DebugCommand { kNo, kLocal, kYes };

}  // namespace number_dispenser
