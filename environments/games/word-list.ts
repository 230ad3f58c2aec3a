/** The words that may be the secret, five letters each: everyday English, written down for this game. */
export const words: readonly string[] = `
  about above actor adult after agent alarm album alert alike alive allow alone angle angry apart apple apron arena
  argue arrow aside atlas attic audio award bacon badge baker basic basin beach beard beast begin bench berry birth
  black blade blame blank blend block bloom board boost bound brain brake brand brass brave bread break brick bride
  brief bring broad brook brown brush build bunch cabin cable camel candy canoe cargo carry carve catch cause cedar
  chain chair chalk charm chase cheap check cheek chess chest chief child china choir chord civic claim clash class
  clean clear clerk cliff climb clock cloth cloud clown coach coast coral couch count court cover crane crash cream
  crisp cross crowd crown crust curve cycle daily dairy dance delay depth diary diner donor doubt dough draft drain
  drama dream dress drift drill drink drive eager eagle early earth elbow elder empty enemy enjoy entry equal error
  event exact extra fable faint fairy faith false fancy fault favor feast fence fever field fifth fight final flame
  flash fleet flint float flock flood floor flour fluid flute focus force forge forum found frame fresh front frost
  fruit giant given glass globe glory glove grace grade grain grand grape grass great green greet grief grill group
  guard guess guest guide habit happy harsh haste heart heavy hedge hinge hobby honey horse hotel house human humor
  image index inner input ivory jelly jewel joint judge juice knife knock label large laser laugh layer lemon level
  light limit linen liver local logic loose lucky lunar lunch magic major maple march match mayor medal melon mercy
  merge merry metal model money month moral motor mount mouse mouth movie music naval nerve never night noble noise
  north novel nurse ocean offer olive onion opera orbit order organ other outer owner paint panel paper party paste
  patch peace peach pearl pedal phase phone photo piano piece pilot pitch place plain plane plant plate point polar
  porch pound power press price pride prime print prize proof proud pulse punch quick quiet quilt quote radar radio
  raise rally ranch range rapid ratio ready rebel reply rider ridge right rival river roast robin robot rough round
  route royal ruler rural salad sauce scale scene scent scope score scout screw serve seven shade shake shape share
  sharp sheep sheet shelf shell shift shine shirt shock shore short shout shrug sight silly skill skirt slate sleep
  slice slide slope small smart smile smoke snake solid solve sound south space spare spark speak speed spell spend
  spice spine spoon sport staff stage stair stamp stand stark start state steam steel steep stick still stock stone
  stool store storm story stove straw strip study style sugar suite sunny sweet swift swing sword table tasty teach
  thank theme thick thief thing third thorn throw thumb tiger title toast token topic torch total touch tough tower
  trace track trade trail train treat trend trial tribe trick truck trunk trust truth tulip tunic twice uncle under
  unity upper urban usual valid value vapor vault verse video visit vital vivid vocal voice wagon waist waste watch
  water weave wheat wheel whale white whole widow width witch woman world worry wound wrist write yacht yield young
  youth zebra
`
  .trim()
  .split(/\s+/);
