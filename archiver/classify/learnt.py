"""Record types learnt from what people corrected in this organisation, and from nothing else. Pure.

A model only ever adds to what the rules found: it can keep mail longer, never let it go sooner. It looks at a
text in two ways. A text much like a corrected one takes that one's types, from the first correction on; and
for a type of which enough examples were seen, with and without it, a logistic regression speaks for texts
that are like none of them in particular.

Words become numbers of a table by hashing, so that no word of any message stands in a model; but whoever has
the model can test whether words were in it: it is patient information and is kept sealed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from archiver.classify.model import RecordType
from archiver.errors import DamagedStore

if TYPE_CHECKING:
    import numpy as np

LONGEST: Final = 64 * 2**10
"""Characters of a message that are looked at."""
LIKE: Final = 0.5
"""Cosine of two texts from which on the one takes the types of the other; unrelated mail is below 0.2."""
SURE: Final = 0.7
"""Probability from which on the regression's word counts."""
ENOUGH: Final = 8
"""Examples with a type, and as many without, before a regression is made for it."""
IN_GENERAL: Final = "like mail corrected so"
"""Why a type was added that the regression speaks for, and no single correction."""
_WIDTH: Final = 2**16
_MAGIC: Final = b"holdfast learnt 1\n"
_NUMBER: Final = re.compile(r"\d+")
_TERM: Final = r"(?u)\b[^\W_]{2,}\b"


@dataclass(frozen=True, slots=True)
class Example:
    """A corrected text: what somebody said it is. `name` is the id of the correction."""

    name: str
    text: str
    types: tuple[str, ...]


def available() -> bool:
    """Whether scikit-learn is installed (the extra `learn`)."""
    return find_spec("sklearn") is not None


class LearntModel:
    """What was learnt. Safe from any thread."""

    def __init__(self, header: dict[str, Any], examples: Any, weights: np.ndarray[Any, Any]) -> None:
        self._names: Final[list[str]] = header["names"]
        self._types: Final[list[list[str]]] = header["types"]
        self._known: Final[list[str]] = header["known"]
        self._examples = examples
        self._weights = weights

    @property
    def examples(self) -> int:
        """How many corrected texts it was learnt from."""
        return len(self._names)

    @property
    def types(self) -> frozenset[str]:
        """Every type that a corrected text is of."""
        return frozenset(name for types in self._types for name in types)

    def suggest(self, texts: Sequence[str]) -> list[list[RecordType]]:
        """For each text the types it may be of, the surest first; `why` names the correction it is like."""
        import numpy as np

        if not texts:
            return []
        rows = _vectors(texts)
        likeness = np.asarray((rows @ self._examples.T).todense())
        chances = 1 / (1 + np.exp(-(rows @ self._weights[:, :-1].T + self._weights[:, -1])))
        return [self._of(likeness[i], chances[i]) for i in range(len(texts))]

    def _of(self, likeness: Any, chances: Any) -> list[RecordType]:
        found: dict[str, RecordType] = {}
        for place in likeness.argsort()[::-1]:
            like = float(likeness[place])
            if like < LIKE:
                break
            for name in self._types[place]:
                why = f"like correction {self._names[place]}"
                found.setdefault(name, RecordType(name, round(min(like, 1.0), 2), why))
        for name, chance in zip(self._known, chances, strict=True):
            if chance >= SURE and name not in found:
                found[name] = RecordType(name, round(float(chance), 2), IN_GENERAL)
        return sorted(found.values(), key=lambda one: (-one.confidence, one.type))

    def to_bytes(self) -> bytes:
        """The model as bytes: a line of JSON and numbers, nothing that runs when it is read."""
        import numpy as np

        header = {
            "names": self._names,
            "types": self._types,
            "known": self._known,
            "width": _WIDTH,
            "entries": int(self._examples.nnz),
        }
        return b"".join(
            (
                _MAGIC,
                json.dumps(header, sort_keys=True).encode() + b"\n",
                self._examples.indptr.astype("<i4").tobytes(),
                self._examples.indices.astype("<i4").tobytes(),
                self._examples.data.astype("<f4").tobytes(),
                np.ascontiguousarray(self._weights, dtype="<f4").tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> LearntModel:
        """Read `to_bytes`. Raises DamagedStore."""
        import numpy as np
        from scipy.sparse import csr_matrix

        try:
            if not data.startswith(_MAGIC):
                raise ValueError("another format")
            line, end = data[len(_MAGIC) :].split(b"\n", 1)
            header = json.loads(line)
            count, known, entries = len(header["names"]), len(header["known"]), int(header["entries"])
            sizes = [4 * (count + 1), 4 * entries, 4 * entries, 4 * known * (_WIDTH + 1)]
            words = (header["names"], header["known"], *header["types"])
            if not all(isinstance(one, list) and all(isinstance(w, str) for w in one) for one in words):
                raise ValueError("its names are none")
            if header["width"] != _WIDTH or len(header["types"]) != count or len(end) != sum(sizes):
                raise ValueError("its parts don't fit")
            starts = [sum(sizes[:i]) for i in range(4)]
            arrays = [
                np.frombuffer(end, dtype, sizes[i] // 4, starts[i])
                for i, dtype in enumerate(("<i4", "<i4", "<f4", "<f4"))
            ]
            if not (np.isfinite(arrays[2]).all() and np.isfinite(arrays[3]).all()):
                raise ValueError("not numbers")
            starts_of, columns = arrays[0], arrays[1]
            if starts_of[0] != 0 or starts_of[-1] != entries or (np.diff(starts_of) < 0).any():
                raise ValueError("its rows don't follow one another")
            if entries and not (columns.min() >= 0 and columns.max() < _WIDTH):
                raise ValueError("its columns are outside")
            examples = csr_matrix((arrays[2], arrays[1], arrays[0]), shape=(count, _WIDTH))
            examples.check_format(full_check=True)
            return cls(header, examples, arrays[3].reshape(known, _WIDTH + 1))
        except (ValueError, KeyError, TypeError):
            raise DamagedStore("what was learnt of record types can't be read; it is learnt anew") from None


def learn(examples: Sequence[Example]) -> LearntModel:
    """Learn from corrected texts. Deterministic."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows = _vectors([example.text for example in examples])
    known: list[str] = []
    weights: list[Any] = []
    for name in sorted({name for example in examples for name in example.types}):
        bears = np.array([name in example.types for example in examples])
        if min(bears.sum(), (~bears).sum()) < ENOUGH:
            continue
        fitted = LogisticRegression(C=10.0, class_weight="balanced", solver="liblinear").fit(rows, bears)
        known.append(name)
        weights.append(np.append(fitted.coef_[0], fitted.intercept_))
    header = {
        "names": [example.name for example in examples],
        "types": [sorted(example.types) for example in examples],
        "known": known,
    }
    empty = np.zeros((0, _WIDTH + 1), dtype="<f4")
    return LearntModel(header, rows, np.array(weights, dtype="<f4") if weights else empty)


def _vectors(texts: Sequence[str]) -> Any:
    # Numbers differ in each message of a kind: that there is one says more than which.
    plain = [_NUMBER.sub("00", text[:LONGEST]) for text in texts]
    return _vectorizer().transform(plain).astype("<f4")


@cache
def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        n_features=_WIDTH,
        ngram_range=(1, 2),
        alternate_sign=False,
        stop_words="english",
        token_pattern=_TERM,
        strip_accents="unicode",
        norm="l2",
    )
