"""Weights of a residual net with wide blocks for one with narrow ones: the channels that weigh most stay.

What lies between the two convolutions of a block is seen by nobody else, so channels can be left out there without a
change elsewhere. A channel weighs

    |gamma| * ||W||,

the factor of its batch norm (the length of its filter, without one) times the length of the weights by which the second
convolution takes it up: about the deviation that it brings to what the block gives. Filters are ranked by their length
alone in Li et al. 2017, "Pruning filters for efficient ConvNets", arXiv:1608.08710, whose further training of what is
left is needed here, too.
"""

from torch import Tensor, nn

from mien.nets.resnet import BasicBlock


def narrowed(trunk: nn.Module, state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Weights with as many channels within each block as a net has, and what was left out, in words.

    Args:
        trunk: the net that is to have them.
        state: weights by name. What does not differ in the width of a block is returned as it is.
    """
    own, state, kept, of = trunk.state_dict(), dict(state), 0, 0
    for name, block in trunk.named_modules():
        first, second = f"{name}.first.0.weight", f"{name}.second.0.weight"
        if not isinstance(block, BasicBlock) or first not in state or second not in state:
            continue
        inner = own[first].shape[0]
        outside = [(values[first].shape[1:], values[second].shape[0]) for values in (own, state)]
        if outside[0] != outside[1] or not inner < state[first].shape[0] == state[second].shape[1]:
            continue
        of += state[first].shape[0]
        kept += inner
        strength = state.get(f"{name}.first.1.weight", state[first].flatten(1).norm(dim=1))  # of batch norm, or filters
        weight = strength.abs() * state[second].transpose(0, 1).flatten(1).norm(dim=1)
        stay = weight.topk(inner).indices.sort().values
        for key, value in state.items():
            if key.startswith(f"{name}.first.") and value.ndim:  # filters, bias, and the values of the norm
                state[key] = value[stay]
        state[second] = state[second][:, stay]
    return state, [f"of {of} channels within blocks, the {kept} that weigh most were kept"] if of else []
