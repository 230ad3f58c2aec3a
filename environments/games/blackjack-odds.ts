/**
 * What hitting and standing are worth in blackjack, exactly, with cards drawn from endlessly many decks: the dealer
 * stands on every 17 and has looked for a blackjack.
 */

/** A hand as it counts: `soft` = an ace counts 11. */
export type Total = { total: number; soft: boolean };

export type Decision = "hit" | "stand";

/** 1 = ace, 10 = ten and the court cards. */
export const cardValues = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;

const bust = 22;
const chanceOf = (value: number): number => (value === 10 ? 4 : 1) / 13;

export function addCard({ total, soft }: Total, value: number): Total {
  const high = value === 1 && total + 11 <= 21;
  const sum = total + (high ? 11 : value);
  const isSoft = soft || high;
  return sum > 21 && isSoft ? { total: sum - 10, soft: false } : { total: sum, soft: isSoft };
}

export const totalOf = (values: readonly number[]): Total =>
  values.reduce(addCard, { total: 0, soft: false });

export class BlackjackOdds {
  readonly #hits = new Map<string, number>();
  readonly #dealers = new Map<number, readonly number[]>();

  /** What standing is expected to win, in bets. */
  stand({ total }: Total, dealerCard: number): number {
    return this.#dealer(dealerCard).reduce((sum, chance, final) => {
      if (final >= bust || final < total) return sum + chance;
      return final > total ? sum - chance : sum;
    }, 0);
  }

  /** What one more card and then the best play are expected to win, in bets. */
  hit(hand: Total, dealerCard: number): number {
    const key = `${hand.total} ${hand.soft} ${dealerCard}`;
    const known = this.#hits.get(key);
    if (known !== undefined) return known;
    let worth = 0;
    for (const value of cardValues) {
      const next = addCard(hand, value);
      worth += chanceOf(value) * (next.total > 21 ? -1 : this.best(next, dealerCard));
    }
    this.#hits.set(key, worth);
    return worth;
  }

  best(hand: Total, dealerCard: number): number {
    const stand = this.stand(hand, dealerCard);
    return hand.total === 21 ? stand : Math.max(stand, this.hit(hand, dealerCard));
  }

  decide(hand: Total, dealerCard: number): Decision {
    return this.hit(hand, dealerCard) > this.stand(hand, dealerCard) ? "hit" : "stand";
  }

  /** Chances of the dealer's final totals; 22 = bust. */
  #dealer(card: number): readonly number[] {
    const known = this.#dealers.get(card);
    if (known !== undefined) return known;
    const chances = Array.from({ length: bust + 1 }, () => 0);
    const draw = (hand: Total, chance: number) => {
      if (hand.total >= 17) {
        const final = Math.min(hand.total, bust);
        chances[final] = (chances[final] ?? 0) + chance;
        return;
      }
      for (const value of cardValues) draw(addCard(hand, value), chance * chanceOf(value));
    };
    // No blackjack: that card can't lie under the one that shows.
    const excluded = card === 1 ? 10 : card === 10 ? 1 : 0;
    const rest = 1 - (excluded === 0 ? 0 : chanceOf(excluded));
    for (const value of cardValues) {
      if (value !== excluded) draw(totalOf([card, value]), chanceOf(value) / rest);
    }
    this.#dealers.set(card, chances);
    return chances;
  }
}
