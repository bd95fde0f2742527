/** What the platform's people write about: enough words that no two texts are alike, in the three languages. */
export const languages = ['de', 'en', 'fr'] as const;
export type Language = (typeof languages)[number];

export interface Vocabulary {
  /** %1$s thing · %2$s material · %3$s technique · %4$s place · %5$s quality · %6$s use; each usable in any order */
  sentences: string[];
  things: string[];
  materials: string[];
  techniques: string[];
  qualities: string[];
  uses: string[];
  verdicts: string[];
}

export const places = split(`Freiburg|Straßburg|Colmar|Basel|Zürich|Bern|Luzern|Lausanne|Genève|Lyon|Annecy|Besançon|
  Nürnberg|Augsburg|Regensburg|Passau|Salzburg|Innsbruck|Bregenz|Konstanz|Görlitz|Meißen|Erfurt|Lübeck|Münster|Köln|
  Tübingen|Bamberg|Solingen|Höhr-Grenzhausen|Seiffen|Lauscha|Zwiesel|Mittenwald|Oberammergau|Limoges|Dijon|Nantes`);

export const givenNames = split(`Anna|Lukas|Élodie|Jürgen|Claire|Matthias|Margarethe|Noah|Léa|Björn|Sophie|Emil|Renée|
  Wolfgang|Hélène|Karl|Ingrid|Théo|Ursula|Oskar|Camille|Friedrich|Johanna|Luc|Zoë|Konrad|Heidi|Antoine|Greta|Xaver|
  Marie-Luise|François|Käthe|Alma|Benedikt|Odile|Rosa|Vincent|Walburga|Yves`);

export const familyNames = split(`Müller|Schmid|Lefèvre|Weber|Dubois|Huber|Gärtner|Rousseau|Zimmermann|Köhler|Moreau|
  Töpfer|Schreiner|Bauer|Girard|Wagner|Lehmann|Garnier|Küfer|Sattler|Bonnet|Drechsler|Meier|Faure|Glöckner|Seiler|
  Mercier|Böhm|Hofmann|Chevalier|Steinmetz|Weiß|Fontaine|Schindler|Großmann|Perrin|Korbmacher|Brun|Uhrmacher|Schäfer`);

export const streets = split(`Hauptstraße|Am Mühlbach|Rue du Four|Gerbergasse|Kirchplatz|Schmiedeweg|Rue des Tanneurs|
  Töpferhof|Lindenallee|Quai de la Marne|Bergstraße|Färbergasse|Chemin du Lavoir|Marktplatz|Rosenweg|Alte Landstraße`);

export const vocabularies: Record<Language, Vocabulary> = {
  de: {
    sentences: split(`Jedes Stück entsteht in unserer Werkstatt in %4$s und wird %3$s.|
      Das Material, %2$s aus der Region, lagert mindestens zwei Jahre, bevor wir es verarbeiten.|
      %1$s aus %2$s, %5$s und %6$s.|
      Wer einmal gesehen hat, wie %2$s %3$s wird, versteht den Preis.|
      Die Oberfläche ist %5$s; kleine Unterschiede zeigen, dass hier von Hand gearbeitet wurde.|
      Wir fertigen auf Bestellung, meist innerhalb von drei Wochen, und liefern aus %4$s.|
      Besonders geeignet %6$s.|
      Nach alten Mustern aus %4$s, doch für heute gedacht: %5$s und leicht zu pflegen.|
      Zur Pflege genügt ein feuchtes Tuch; %2$s mag keine Spülmaschine.|
      Auf Wunsch gravieren wir einen Namen oder ein Datum.|
      Die Technik lernte unsere Meisterin in %4$s, wo seit 1780 %3$s wird.|
      So entsteht %1$s, %5$s wie am ersten Tag.|
      Reste von %2$s werden zu kleinen Dingen, nichts wird weggeworfen.|
      Beschädigte Stücke reparieren wir, auch nach Jahren.`),
    things:
      split(`Schale|Krug|Messer|Korb|Tischdecke|Schaukelpferd|Laterne|Schatulle|Hocker|Vase|Löffel|Gürtel|Kerzenständer|
      Wanduhr|Brotkasten|Decke|Geigenbogen|Spielzeugeisenbahn|Teekanne|Handtasche|Schneidebrett|Ofenkachel|Trinkglas|Besen`),
    materials:
      split(`Eichenholz|Nussbaum|Kirschholz|Zinn|Steinzeug|Weidenrute|Leinen|Schafwolle|Rindsleder|Bleikristall|Kupfer|
      Porzellan|Schmiedeeisen|Horn|Bienenwachs|Büttenpapier|Messing|Zirbenholz|Ton|Hanf`),
    techniques:
      split(`gedrechselt|von Hand geschmiedet|gewebt|geflochten|geschnitzt|gegossen|mundgeblasen|gedreht und bemalt|
      vernäht|gebunden|gefilzt|punziert|vergoldet|gespalten und gehobelt|mit Pflanzen gefärbt|im Holzofen gebrannt`),
    qualities:
      split(`robust|zeitlos|fein gemasert|seidenmatt|dauerhaft|angenehm schwer|leicht|lebendig gezeichnet|schlicht|
      wetterfest|lebensmittelecht|warm im Griff|überraschend leise|klar in der Form|reparierbar|einzigartig`),
    uses: split(`für den täglichen Gebrauch|als Geschenk zur Hochzeit|für Küche und Tafel|für Garten und Terrasse|
      für Kinder ab drei Jahren|für Sammler|für das Büro|zum Vererben|für lange Winterabende|für unterwegs`),
    verdicts:
      split(`Wunderschön verarbeitet|Kam beschädigt an|Genau wie beschrieben|Lieferung hat gedauert|Immer wieder gern|
      Kleiner als gedacht|Ein Stück fürs Leben|Farbe weicht etwas ab|Sehr freundlicher Kontakt|Preis ist gerechtfertigt`),
  },
  en: {
    sentences: split(`Each piece is made in our workshop in %4$s and is %3$s.|
      The %2$s comes from the region and rests for two years before we touch it.|
      A %1$s of %2$s, %5$s and made %6$s.|
      Once you have seen how %2$s is %3$s, the price explains itself.|
      The surface is %5$s; small differences show the hand behind it.|
      We make to order, mostly within three weeks, and ship from %4$s.|
      A good choice %6$s.|
      After old patterns from %4$s, yet thought for today: %5$s and easy to care for.|
      A damp cloth is enough; %2$s does not like the dishwasher.|
      We engrave a name or a date if you wish.|
      Our master learned the technique in %4$s, where things have been %3$s since 1780.|
      That is how a %1$s becomes %5$s.|
      Offcuts of %2$s become small things, nothing is thrown away.|
      We repair what we made, years later too.`),
    things:
      split(`bowl|jug|knife|basket|tablecloth|rocking horse|lantern|casket|stool|vase|spoon|belt|candlestick|wall clock|
      bread bin|blanket|violin bow|toy train|teapot|handbag|cutting board|stove tile|drinking glass|broom`),
    materials: split(`oak|walnut|cherry wood|pewter|stoneware|willow|linen|wool|leather|lead crystal|copper|porcelain|
      wrought iron|horn|beeswax|handmade paper|brass|stone pine|clay|hemp`),
    techniques:
      split(`turned|forged by hand|woven|plaited|carved|cast|mouth-blown|thrown and painted|saddle-stitched|bound|
      felted|chased|gilded|split and planed|dyed with plants|fired in a wood kiln`),
    qualities:
      split(`sturdy|timeless|finely grained|satin smooth|durable|pleasantly heavy|light|lively|plain|weatherproof|
      safe for food|warm to the touch|surprisingly quiet|clear in form|repairable|one of a kind`),
    uses: split(`for every day|as a wedding present|for kitchen and table|for garden and terrace|for children from three|
      for collectors|for the office|to be handed down|for long winter evenings|for travelling`),
    verdicts: split(`Beautifully made|Arrived damaged|Exactly as described|Took a while to arrive|Would buy again|
      Smaller than expected|A piece for life|Colour differs a little|Very kind contact|Worth the price`),
  },
  fr: {
    sentences: split(`Chaque pièce naît dans notre atelier à %4$s, où elle est patiemment travaillée.|
      La matière, %2$s de la région, repose deux ans avant que nous la touchions.|
      %1$s en %2$s, %5$s, %6$s.|
      Quand on a vu comment l’objet est %3$s, on comprend son prix.|
      La surface reste %5$s ; de légères différences révèlent la main de l’artisan.|
      Nous fabriquons sur commande, le plus souvent en trois semaines, et expédions depuis %4$s.|
      Un bon choix %6$s.|
      D’après d’anciens modèles de %4$s, mais pensé pour aujourd’hui : %5$s et facile d’entretien.|
      Un chiffon humide suffit ; %2$s et lave-vaisselle ne s’entendent pas.|
      Nous gravons volontiers un prénom ou une date.|
      Notre maître a appris son métier à %4$s, où l’on perpétue ce geste depuis 1780.|
      C’est ainsi que naît l’objet : %1$s, %3$s.|
      Les chutes de %2$s deviennent de petits objets, rien n’est jeté.|
      Nous réparons nos pièces, même des années après.`),
    things: split(`coupe|cruche|couteau|panier|nappe|cheval à bascule|lanterne|coffret|tabouret|vase|cuillère|ceinture|
      chandelier|horloge|boîte à pain|couverture|archet|petit train|théière|sac à main|planche|carreau de poêle|verre|balai`),
    materials: split(`chêne|noyer|merisier|étain|grès|osier|lin|laine|cuir|cristal|cuivre|porcelaine|fer forgé|corne|
      cire d’abeille|papier à la cuve|laiton|pin cembro|argile|chanvre`),
    techniques: split(`tourné|forgé à la main|tissé|tressé|sculpté|coulé|soufflé à la bouche|tourné puis peint|
      cousu au point sellier|relié|feutré|ciselé|doré à la feuille|fendu et raboté|teint aux plantes|cuit au four à bois`),
    qualities: split(`robuste|intemporelle|finement veinée|satinée|durable|agréablement lourde|légère|vivante|sobre|
      résistante|apte au contact alimentaire|chaude au toucher|étonnamment silencieuse|claire de forme|réparable|unique`),
    uses: split(`pour tous les jours|à offrir pour un mariage|pour la cuisine et la table|pour le jardin et la terrasse|
      pour les enfants dès trois ans|pour les collectionneurs|pour le bureau|à transmettre|pour les soirées d’hiver|pour le voyage`),
    verdicts: split(`Magnifique travail|Arrivé abîmé|Conforme à la description|Livraison un peu longue|Je recommande|
      Plus petit que prévu|Une pièce pour la vie|La couleur diffère un peu|Contact très aimable|Le prix est justifié`),
  },
};

/** The tree of crafts: each root with its leaves, as `slug:de:en:fr`. */
export const craftTree: { root: string; leaves: string[] }[] = [
  tree(
    'holz:Holz:Wood:Bois',
    'drechseln:Drechseln:Turning:Tournage|schnitzen:Schnitzen:Carving:Sculpture|moebel:Möbelbau:Cabinet making:Ébénisterie|fass:Küferei:Cooperage:Tonnellerie|geige:Geigenbau:Violin making:Lutherie',
  ),
  tree(
    'metall:Metall:Metal:Métal',
    'schmied:Schmieden:Forging:Forge|messer:Messer:Cutlery:Coutellerie|zinn:Zinngießen:Pewter:Étain|glocke:Glockenguss:Bell founding:Fonderie de cloches|gold:Goldschmieden:Goldsmithing:Orfèvrerie',
  ),
  tree(
    'ton:Keramik:Ceramics:Céramique',
    'toepfern:Töpferei:Pottery:Poterie|porzellan:Porzellan:Porcelain:Porcelaine|kachel:Ofenkacheln:Stove tiles:Carreaux|ziegel:Ziegel:Brickmaking:Briqueterie|fayence:Fayence:Faience:Faïence',
  ),
  tree(
    'textil:Textil:Textile:Textile',
    'weben:Weberei:Weaving:Tissage|spitze:Klöppelspitze:Bobbin lace:Dentelle|filz:Filzen:Felting:Feutre|blaudruck:Blaudruck:Indigo print:Impression indigo|stick:Stickerei:Embroidery:Broderie',
  ),
  tree(
    'leder:Leder:Leather:Cuir',
    'sattler:Sattlerei:Saddlery:Sellerie|schuh:Schuhmacherei:Shoemaking:Cordonnerie|tasche:Täschnerei:Bag making:Maroquinerie|gerber:Gerberei:Tanning:Tannerie|handschuh:Handschuhe:Gloves:Ganterie',
  ),
  tree(
    'glas:Glas:Glass:Verre',
    'blasen:Glasblasen:Glass blowing:Soufflage|schliff:Glasschliff:Cutting:Taille|fenster:Bleiverglasung:Stained glass:Vitrail|perlen:Glasperlen:Beads:Perles|christbaum:Christbaumschmuck:Baubles:Boules de Noël',
  ),
  tree(
    'papier:Papier:Paper:Papier',
    'schoepfen:Papierschöpfen:Paper making:Papeterie|binden:Buchbinden:Bookbinding:Reliure|druck:Handdruck:Letterpress:Typographie|kalli:Kalligrafie:Calligraphy:Calligraphie|marmor:Marmorieren:Marbling:Marbrure',
  ),
  tree(
    'flecht:Flechten:Basketry:Vannerie',
    'korb:Korbmachen:Baskets:Paniers|stuhl:Stuhlflechten:Chair caning:Cannage|stroh:Strohschuhe:Straw work:Paille|besen:Besenbinden:Broom making:Balais|seil:Seilerei:Rope making:Corderie',
  ),
];

/** Of the leaves, as they stand in addresses. */
export function craftSlugs(): string[] {
  return craftTree.flatMap(({ root, leaves }) => leaves.map(leaf => `${slugOf(root)}-${slugOf(leaf)}`));
}

export function slugOf(entry: string): string {
  return entry.split(':')[0]!;
}

function tree(root: string, leaves: string): { root: string; leaves: string[] } {
  return { root, leaves: split(leaves) };
}

function split(list: string): string[] {
  return list.split('|').map(entry => entry.trim());
}
