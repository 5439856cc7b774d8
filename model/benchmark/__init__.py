"""Speed and quality of models here, and of other systems on the same weights.

    for outcome in Comparison(model, task, systems, cells, limits).run():
        ...  # a round more

Every system runs in a process of its own (`worker`), which is kept alive and told over a pipe when
to translate (`process`); the others wait meanwhile. They take turns, round after round
(`comparison`), so that a machine that is slower for a minute is slower for all of them, and what is
told first is the ratio of two systems in the same round (`figures`, `report`).

Nothing here imports torch but what runs in a worker (`systems`), and `random_model`.
"""
