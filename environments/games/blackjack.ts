/**
 * Blackjack: some hands at one table, a bet and then hits and stands in each. Two ways to be rewarded:
 *
 * - `strategy`: for each decision that is the better one by the odds, whatever the cards then do; no luck is in it.
 *   The decisions of a session share 1; illegal moves and hands that weren't played count as wrong ones.
 * - `chips`: for the chips won or lost, at the end of each hand, as a share of the most that can be bet.
 */
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { BlackjackOdds, type Decision, type Total, totalOf } from "./blackjack-odds.ts";
import { type Deal, type Game, type Playthrough, readMove } from "./game.ts";

export type BlackjackReward = "strategy" | "chips";

const decks = 6;
const startingChips = 100;
const largestBet = 10;
/** So many and the game is over: nobody plays for ever. */
const mostIllegalMoves = 5;
const ranks: readonly string[] = ["A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K"];
const suits = ["♠", "♥", "♦", "♣"];

type Card = { label: string; value: number };
type Hand = { bet: number; player: Card[]; dealer: Card[] };
/** A decision, or a hand without one: what it is worth once it is known how many there are. */
type Unit = { turn: number; right: boolean };

export class Blackjack implements Game {
  readonly #hands: number;
  readonly #reward: BlackjackReward;
  readonly #odds = new BlackjackOdds();

  constructor({ hands, reward }: { hands: number; reward: BlackjackReward }) {
    this.#hands = hands;
    this.#reward = reward;
  }

  opening(): string {
    return `Let's play blackjack: ${this.#hands} hands, six decks, and you have ${startingChips} chips. Bet first, as <move>bet 3</move> (1 to ${largestBet} chips), then say <move>hit</move> or <move>stand</move>. The dealer stands on every 17 and looks for a blackjack; yours pays 3 to 2; there is no doubling, splitting or insurance. Think as long as you like, and write exactly one move in each turn: an illegal one is lost, and with the ${ordinal(mostIllegalMoves)} the game ends.

Hand 1 of ${this.#hands}. Your bet?`;
  }

  play({ seed }: Deal, texts: readonly string[]): Playthrough {
    const table = new Table(seed, this.#hands, this.#odds);
    const replies = texts.map((text) => table.take(text));
    const rewards = this.#reward === "chips" ? table.chipRewards() : table.strategyRewards();
    return {
      turns: replies.map((reply, turn) => ({ reply, reward: rewards[turn] ?? 0 })),
      metrics: { chips: table.chips - startingChips, illegal_moves: table.illegalMoves },
    };
  }
}

class Table {
  chips = startingChips;
  illegalMoves = 0;
  readonly #hands: number;
  readonly #odds: BlackjackOdds;
  readonly #random: () => number;
  readonly #shoe: Card[];
  readonly #units: Unit[] = [];
  /** What each turn won or lost. */
  readonly #won: number[] = [];
  #played = 0;
  #hand: Hand | null = null;

  constructor(seed: number, hands: number, odds: BlackjackOdds) {
    this.#hands = hands;
    this.#odds = odds;
    this.#random = seededRandom(seed);
    this.#shoe = Array.from({ length: decks }, () =>
      suits.flatMap((suit) =>
        ranks.map((rank, index) => ({ label: `${rank}${suit}`, value: Math.min(10, index + 1) })),
      ),
    ).flat();
  }

  /** What the player is told; null = over. */
  take(text: string): string | null {
    this.#won.push(0);
    const read = readMove(text);
    const told = "move" in read ? this.#move(read.move) : this.#illegal(read.problem);
    if (this.#isOver) return null;
    return [told, this.#situation()].filter((part) => part !== "").join("\n");
  }

  /** Every decision of the session has the same share of 1. */
  strategyRewards(): number[] {
    const unplayed = this.#hands - this.#played;
    const share = 1 / Math.max(1, this.#units.length + this.illegalMoves + unplayed);
    const rewards = this.#won.map(() => 0);
    for (const { turn, right } of this.#units) {
      if (right) rewards[turn] = (rewards[turn] ?? 0) + share;
    }
    return rewards;
  }

  chipRewards(): number[] {
    return this.#won.map((chips) => chips / (this.#hands * largestBet));
  }

  get #isOver(): boolean {
    return this.#played === this.#hands || this.illegalMoves >= mostIllegalMoves;
  }

  get #turn(): number {
    return this.#won.length - 1;
  }

  #move(move: string): string {
    const hand = this.#hand;
    if (hand === null) {
      const bet = /^bet ([1-9]\d?)$/.exec(move)?.[1];
      const chips = Number(bet);
      if (bet === undefined || chips > largestBet) {
        return this.#illegal(`Expected a bet of 1 to ${largestBet} chips, as <move>bet 3</move>.`);
      }
      return this.#deal(chips);
    }
    if (move !== "hit" && move !== "stand") {
      return this.#illegal("Expected <move>hit</move> or <move>stand</move>.");
    }
    this.#judge(move, hand);
    if (move === "stand") return this.#settle(hand);
    const card = this.#draw();
    hand.player.push(card);
    const { total } = totalIn(hand.player);
    if (total > 21) return this.#end(hand, -1, `You draw ${card.label}: ${total}, bust.`);
    return total === 21 ? `You draw ${card.label}. ${this.#settle(hand)}` : `You draw ${card.label}.`;
  }

  #illegal(problem: string): string {
    this.illegalMoves += 1;
    return `Illegal move. ${problem}`;
  }

  #deal(bet: number): string {
    const [first, shown, second, hidden] = [this.#draw(), this.#draw(), this.#draw(), this.#draw()];
    const hand: Hand = { bet, player: [first, second], dealer: [shown, hidden] };
    this.#hand = hand;
    const [mine, theirs] = [totalIn(hand.player).total === 21, totalIn(hand.dealer).total === 21];
    if (!mine && !theirs) return "";
    // Nothing is left to decide: the hand counts as played well.
    this.#units.push({ turn: this.#turn, right: true });
    const cards = `You have ${labels(hand.player)}, the dealer ${labels(hand.dealer)}`;
    if (mine && theirs) return this.#end(hand, 0, `${cards}: two blackjacks.`);
    return mine ? this.#end(hand, 1.5, `${cards}: blackjack!`) : this.#end(hand, -1, `${cards}: blackjack.`);
  }

  #judge(move: Decision, { player, dealer }: Hand): void {
    const right = this.#odds.decide(totalIn(player), dealer[0]?.value ?? 0) === move;
    this.#units.push({ turn: this.#turn, right });
  }

  #settle(hand: Hand): string {
    while (totalIn(hand.dealer).total < 17) hand.dealer.push(this.#draw());
    const [mine, theirs] = [totalIn(hand.player).total, totalIn(hand.dealer).total];
    const told = `You have ${mine}. The dealer has ${labels(hand.dealer)}: ${theirs}${theirs > 21 ? ", bust" : ""}.`;
    return this.#end(hand, theirs > 21 ? 1 : Math.sign(mine - theirs), told);
  }

  #end({ bet }: Hand, times: number, told: string): string {
    const won = bet * times;
    this.chips += won;
    this.#won[this.#turn] = won;
    this.#played += 1;
    this.#hand = null;
    const outcome = won === 0 ? "Nobody wins" : won > 0 ? `You win ${won}` : `You lose ${-won}`;
    return `${told} ${outcome}: ${this.chips} chips.`;
  }

  #situation(): string {
    if (this.#hand === null) return `Hand ${this.#played + 1} of ${this.#hands}. Your bet?`;
    const { player, dealer } = this.#hand;
    const { total, soft } = totalIn(player);
    return `You have ${labels(player)} (${soft ? "soft " : ""}${total}). The dealer shows ${dealer[0]?.label}. Hit or stand?`;
  }

  #draw(): Card {
    const [card] = this.#shoe.splice(Math.floor(this.#random() * this.#shoe.length), 1);
    return card ?? { label: "2♠", value: 2 };
  }
}

/** What good play says to the last message of a table, read as a player would; null where nothing is asked. */
export function blackjackAdvice(told: string, odds: BlackjackOdds): "bet" | Decision | null {
  const [line = ""] = told.trim().split("\n").slice(-1);
  if (line.endsWith("Your bet?")) return "bet";
  const seen = /\((soft )?(\d+)\)\. The dealer shows (\w+)/.exec(line);
  if (seen === null) return null;
  const [, soft, total, rank = ""] = seen;
  const shown = Math.min(10, ranks.indexOf(rank) + 1);
  return odds.decide({ total: Number(total), soft: soft !== undefined }, shown);
}

const totalIn = (cards: readonly Card[]): Total => totalOf(cards.map(({ value }) => value));
const labels = (cards: readonly Card[]): string => cards.map(({ label }) => label).join(" ");
const ordinal = (count: number): string => (count === 5 ? "fifth" : `${count}th`);
